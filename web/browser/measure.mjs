// Main-thread CPU time that HTML files take in headless Chromium until they are drawn, as JSON: the median of some openings.
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const browserPath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
const [times, ...files] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: browserPath, args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"] });

async function once(file) {
  const context = await browser.newContext({ offline: true, viewport: { width: 1000, height: 900 } });
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.goto(`file://${file}`);
  await page.waitForFunction(() => "iwReady" in document.documentElement.dataset);
  // Two frames later everything that was asked for has been painted.
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  const { metrics } = await devtools.send("Performance.getMetrics");
  const of = (name) => metrics.find((metric) => metric.name === name).value;
  const found = { task: of("TaskDuration"), script: of("ScriptDuration"), layout: of("LayoutDuration") + of("RecalcStyleDuration"), nodes: of("Nodes") };
  if (page.isClosed()) throw new Error(`${file} did not stay open`);
  await context.close();
  return found;
}

const results = [];
for (const file of files) {
  const found = [];
  for (let i = 0; i < Number(times); i++) found.push(await once(file));
  found.sort((a, b) => a.task - b.task);
  results.push({ ...found[Math.floor(found.length / 2)], least: found[0].task, most: found[found.length - 1].task });
}
console.log(JSON.stringify(results));
await browser.close();
