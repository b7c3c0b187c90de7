// Opens exported HTML of every kind of view in Chromium without a network: what it draws, says, saves and asks for.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
const out = `${root}web/out/browser`;
const browserPath = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
assert(browserPath, "Chromium is not installed: `apt install chromium`, or set CHROMIUM to its path");
mkdirSync(`${out}/shots`, { recursive: true });
execFileSync(process.env.PYTHON ?? "python3", ["web/browser/pages.py", `${out}/pages`], { cwd: root, env: { ...process.env, PYTHONPATH: root }, stdio: "inherit" });
const facts = JSON.parse(readFileSync(`${out}/pages/facts.json`, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({
  executablePath: browserPath,
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});

const failures = [];
async function check(name, run) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (problem) {
    failures.push(name);
    console.log(`FAIL  ${name}: ${problem.message}`);
  }
}

async function opened(name, options = {}) {
  const context = await browser.newContext({ offline: true, acceptDownloads: true, viewport: { width: 1000, height: 900 }, ...options });
  const page = await context.newPage();
  const heard = { requests: [], errors: [] };
  page.on("request", (request) => {
    if (!/^(data|blob):/.test(request.url()) && !request.url().endsWith(`/${name}.html`)) heard.requests.push(request.url());
  });
  page.on("console", (message) => message.type() === "error" && heard.errors.push(message.text()));
  page.on("pageerror", (error) => heard.errors.push(String(error)));
  await page.goto(`file://${out}/pages/${name}.html`);
  if (options.javaScriptEnabled !== false) await page.waitForFunction(() => "iwReady" in document.documentElement.dataset);
  return { page, heard, context };
}

async function saved(page, label) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: label }).first().click()]);
  const path = `${out}/shots/${download.suggestedFilename()}`;
  await download.saveAs(path);
  return { name: download.suggestedFilename(), bytes: readFileSync(path) };
}

async function focused(page, locator) {
  // Only the keyboard: Tab until the wanted element has the focus.
  for (let presses = 0; presses < 40; presses++) {
    if (await locator.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error("Tab does not reach it");
}

for (const kind of Object.keys(facts)) {
  for (const scheme of ["light", "dark"]) {
    await check(`${kind} in ${scheme}`, async () => {
      const { page, heard, context } = await opened(kind, { colorScheme: scheme, reducedMotion: "reduce" });
      assert.equal(await page.locator(".iw-figure").count(), 1);
      assert.equal(await page.locator(".iw-refusal").count(), 0);
      for (const canvas of await page.locator("canvas").all())
        assert(await canvas.evaluate((c) => new Set(new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer)).size > 3), "an empty canvas");
      const ground = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      assert.equal(ground, scheme === "dark" ? "rgb(21, 24, 29)" : "rgb(255, 255, 255)");
      // A page's own policy forbids scripts from outside it, so the checker comes through the debugger.
      await page.evaluate(`(() => { ${axe} })()`).catch(() => page.evaluate(axe));
      const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
      const serious = found.violations.filter(({ impact }) => impact === "serious" || impact === "critical");
      assert.deepEqual(serious.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`), []);
      await page.screenshot({ path: `${out}/shots/${kind}-${scheme}.png`, fullPage: true });
      if (scheme === "light") {
        const svg = await saved(page, /as SVG/);
        assert(svg.name.endsWith(".svg") && svg.bytes.toString().startsWith("<svg"), "no SVG");
        assert(!/NaN|undefined/.test(svg.bytes.toString().replace(/>[^<]*</g, "><").replace(/href="[^"]*"/g, "")), "broken numbers in the SVG");
        const png = await saved(page, /as PNG/);
        assert(png.name.endsWith(".png") && png.bytes.subarray(1, 4).toString() === "PNG" && png.bytes.length > 1500, "no PNG");
      }
      assert.deepEqual(heard, { requests: [], errors: [] });
      await context.close();
    });
  }
}

await check("hovering a heatmap says the array's own number", async () => {
  const { page, context } = await opened("heatmap");
  const cells = page.locator(".cells");
  const box = await cells.boundingBox();
  await page.mouse.move(box.x + (7.5 / 14) * box.width, box.y + (3.5 / 12) * box.height);
  assert((await page.locator(".readout").textContent()).includes(facts.heatmap.cell.replace(/^(?!-)/, "+").slice(1)));
  await context.close();
});

await check("a heatmap by keyboard alone", async () => {
  const { page, context } = await opened("heatmap");
  await focused(page, page.locator(".cells"));
  assert.notEqual(await page.locator(".cells").evaluate((element) => getComputedStyle(element).outlineStyle), "none");
  for (let i = 0; i < 3; i++) await page.keyboard.press("ArrowDown");
  for (let i = 0; i < 7; i++) await page.keyboard.press("ArrowRight");
  const readout = page.locator(".readout");
  assert.equal(await readout.getAttribute("aria-live"), "polite");
  assert((await readout.textContent()).includes(facts.heatmap.cell));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.locator("details td").first().waitFor();
  assert((await page.locator("details td").allTextContents()).includes(facts.heatmap.cell));
  await context.close();
});

await check("a token's number by keyboard", async () => {
  const { page, context } = await opened("tokens");
  await focused(page, page.locator(".iw-tokens"));
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  assert((await page.locator(".readout").textContent()).includes(facts.tokens.value));
  await context.close();
});

await check("attention: exact in focus, a bound elsewhere", async () => {
  const { page, context } = await opened("attention-quantised");
  const said = async () => {
    await page.locator(".cells").nth(1).focus();
    await page.keyboard.press("Control+Home");
    for (let i = 0; i < 9; i++) await page.keyboard.press("ArrowDown");
    for (let i = 0; i < 4; i++) await page.keyboard.press("ArrowRight");
    return page.locator("p.readout").first().textContent();
  };
  const fact = facts["attention-quantised"];
  const exact = await said();
  assert(exact.trim().endsWith(`: ${Number(fact.exact)}`), `${exact} is not ${fact.exact}`);
  await page.locator(".cells").first().focus();
  // Heads are exact as long as there is room for them: the last one is not.
  await page.keyboard.press("Control+End");
  const other = await said();
  assert.match(other, /±/);
  await context.close();
});

await check("attention: heads, arcs and weighting by keyboard", async () => {
  const { page, heard, context } = await opened("attention");
  await focused(page, page.locator(".cells").first());
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowDown");
  assert.match(await page.locator("strong").first().textContent(), /1\.1/);
  await focused(page, page.getByRole("button", { name: "Arcs" }));
  await page.keyboard.press("Enter");
  assert((await page.locator(".iw-figure svg path").count()) > 50);
  await page.screenshot({ path: `${out}/shots/attention-arcs.png`, fullPage: true });
  await page.getByLabel(/weighted by/).press("Space");
  assert.deepEqual(heard, { requests: [], errors: [] });
  await context.close();
});

await check("theme by hand, and the list of shortcuts", async () => {
  const { page, context } = await opened("heatmap", { colorScheme: "light" });
  await page.keyboard.press("t");
  await page.keyboard.press("t");
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(21, 24, 29)");
  await page.keyboard.press("?");
  assert(await page.getByRole("dialog").isVisible());
  await page.screenshot({ path: `${out}/shots/shortcuts.png` });
  await page.keyboard.press("Escape");
  assert(!(await page.getByRole("dialog").isVisible()));
  await context.close();
});

await check("a graph says how many edges a threshold hides", async () => {
  const { page, context } = await opened("graph");
  await page.getByRole("slider").fill("5");
  const note = await page.locator(".iw-note").allTextContents();
  assert(note.some((text) => /5 of \d+ edges are drawn.*\d+ weaker ones are hidden/s.test(text)), note.join("|"));
  await context.close();
});

await check("what is awkward is drawn or said", async () => {
  const { page, heard, context } = await opened("awkward", { colorScheme: "light" });
  assert.deepEqual(await page.locator(".iw-refusal").allTextContents(), []);
  assert.equal(await page.locator(".iw-figure").count(), 13);
  assert.equal(await page.locator("main img").count(), 0);
  assert.deepEqual(await page.locator('[data-kind="table"] thead').first().locator("th").allTextContents(), ["token", "1", "__proto__", "0"]);
  assert.match(await page.locator('[data-kind="compare"]').textContent(), /2 items without two finite numbers/);
  for (const place of await page.locator('[role="application"]').all()) {
    await place.focus();
    for (const key of ["ArrowDown", "ArrowRight", "End", "Home"]) await page.keyboard.press(key);
  }
  await page.screenshot({ path: `${out}/shots/awkward.png`, fullPage: true });
  assert.deepEqual(heard, { requests: [], errors: [] });
  await context.close();
});

await check("a newer schema is refused politely, and the static picture stays", async () => {
  const { page, context } = await opened("newer");
  assert.match(await page.locator(".iw-refusal").textContent(), /schema 7.*up to 1/);
  assert((await page.locator("main svg").count()) > 0);
  await context.close();
});

await check("the module for notebooks draws a record, and the next one", async () => {
  const { page, heard, context } = await opened("card");
  const blank = await context.newPage();
  blank.on("pageerror", (error) => heard.errors.push(String(error)));
  const module = readFileSync(`${root}innerworks/results/render/built/widget.js`, "utf8");
  const named = module.replace(/export\s*\{\s*([\w$]+) as default\s*\};?\s*$/, (_, name) => `window.widget = ${name};`);
  assert.notEqual(named, module, "the module has no default export");
  await blank.addScriptTag({ type: "module", content: named });
  const record = readFileSync(`${out}/pages/heatmap.json`, "utf8");
  await blank.evaluate(async (text) => {
    const listeners = {};
    window.values = { record: text };
    const model = { get: (name) => window.values[name], on: (event, run) => (listeners[event] = run), off: (event) => delete listeners[event] };
    window.change = async (record) => ((window.values.record = record), listeners["change:record"]());
    window.listeners = listeners;
    window.stop = await window.widget.render({ model, el: document.body });
  }, record);
  assert.equal(await blank.locator(".cells canvas").count(), 1);
  await blank.evaluate(() => window.change(JSON.stringify({ ...JSON.parse(window.values.record), schema: 9 })));
  assert.match(await blank.locator(".iw-refusal").textContent(), /schema 9/);
  await blank.evaluate(() => window.stop());
  assert.equal(await blank.evaluate(() => Object.keys(window.listeners).length), 0);
  assert.deepEqual(heard, { requests: [], errors: [] });
  await page.close();
  await context.close();
});

await check("without script the static page is read", async () => {
  const { page, context } = await opened("heatmap", { javaScriptEnabled: false });
  assert.equal(await page.locator("main svg[role=img]").count(), 2);
  await context.close();
});

await browser.close();
if (failures.length) {
  console.error(`${failures.length} failed: ${failures.join(", ")}`);
  process.exit(1);
}
