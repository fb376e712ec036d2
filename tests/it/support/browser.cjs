// Opens pages in Chromium and says what a person would meet: `node browser.cjs CHROMIUM FOLDER shots|"" PAGE…`, a JSON line for
// each page and colour scheme. Without network: a request that is tried is reported.
"use strict";
const path = require("path");
const puppeteer = require("puppeteer-core");
const axe = require.resolve("axe-core/axe.min.js");

async function main() {
  const [chromium, folder, shots, ...pages] = process.argv.slice(2);
  const browser = await puppeteer.launch({
    executablePath: chromium,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"],
  });
  try {
    // The first page of a browser pays for the browser's start.
    const first = await browser.newPage();
    await first.goto("about:blank");
    for (const name of pages) {
      for (const scheme of ["light", "dark"]) {
        console.log(JSON.stringify(await look(browser, folder, name, scheme, shots === "shots")));
      }
    }
  } finally {
    await browser.close();
  }
}

async function look(browser, folder, name, scheme, shots) {
  const url = "file://" + path.join(folder, name + ".html");
  const page = await browser.newPage();
  const requests = [], errors = [];
  page.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) requests.push(request.url());
  });
  page.on("console", (message) => errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  // A picture for the documents is smaller.
  await page.setViewport({ width: 1100, height: 900, deviceScaleFactor: shots ? 0.6 : 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const opened_ms = await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const painted = performance.getEntriesByName("first-contentful-paint").map((one) => one.startTime);
    return Math.max(performance.getEntriesByType("navigation")[0].loadEventEnd, ...painted);
  });
  // The pictures are drawn once their data are unpacked.
  if (name !== "empty") await page.waitForSelector("figure.live canvas", { timeout: 10000 });
  if (shots) await page.screenshot({ path: path.join(folder, `${name}-${scheme}.png`), fullPage: false });
  const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const sorted = await sorts(page);
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  // The page allows no script but its own, which is right: axe comes from the outside.
  const violations = await violationsOf(page);
  await page.close();
  const bare = await bareOf(browser, url, name, scheme);
  return { page: name, scheme, opened_ms: Math.round(opened_ms), requests, errors, violations, wider, sorted, bare };
}

async function violationsOf(page) {
  const source = require("fs").readFileSync(axe, "utf8");
  await page.evaluate(source);
  const found = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return found.violations.map((one) => `${one.id}: ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160) + " " + (node.any[0] ? node.any[0].message : "")).join(" | ")}`);
}

// Whether the shards' first heading sorts, reached and pressed by keyboard.
async function sorts(page) {
  await page.evaluate(() => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    document.querySelector("table[data-sort] th button").focus();
  });
  await page.keyboard.press("Enter");
  const order = () => page.evaluate(() => [...document.querySelector("table[data-sort]").tBodies[0].rows].map((row) => parseFloat(row.cells[0].textContent.replace(/,/g, ""))));
  const down = await order();
  await page.keyboard.press("Enter");
  const up = await order();
  return down.every((value, at) => at === 0 || down[at - 1] >= value) && up.every((value, at) => at === 0 || up[at - 1] <= value);
}

// Whether tables and pictures are there without scripts.
async function bareOf(browser, url, name, scheme) {
  const page = await browser.newPage();
  await page.setJavaScriptEnabled(false);
  await page.setViewport({ width: 1100, height: 900 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const seen = await page.evaluate(() => ({
    tables: document.querySelectorAll("table tbody tr").length,
    pictures: [...document.querySelectorAll("figure > svg")].filter((one) => one.getBoundingClientRect().height > 0).length,
  }));
  await page.close();
  return seen.tables > 0 && seen.pictures >= (name === "empty" ? 1 : 4);
}

main().catch((error) => { console.error(error); process.exit(1); });
