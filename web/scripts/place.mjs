// Puts what was built where the Python package reads it; with --check it compares instead.
import { readFileSync, writeFileSync, mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const into = new URL("../../innerworks/results/render/built/", import.meta.url);
const built = { "page.js": "page/page.js", "widget.js": "widget/widget.js", "views.css": "page/views.css" };
const LIMIT = 150_000;
let differs = false;
mkdirSync(into, { recursive: true });
for (const [name, from] of Object.entries(built)) {
  const text = readFileSync(new URL(`../out/${from}`, import.meta.url));
  const target = new URL(name, into);
  if (process.argv.includes("--check")) {
    if (!readFileSync(target).equals(text)) {
      console.error(`innerworks/results/render/built/${name} is not what web/ builds; run \`make web\` and commit it`);
      differs = true;
    }
  } else writeFileSync(target, text);
  const size = gzipSync(text, { level: 9 }).length;
  console.log(`${name}: ${text.length.toLocaleString("en")} bytes, ${size.toLocaleString("en")} gzipped`);
  if (size > LIMIT) {
    console.error(`${name} is more than ${LIMIT.toLocaleString("en")} bytes gzipped`);
    differs = true;
  }
}
process.exit(differs ? 1 : 0);
