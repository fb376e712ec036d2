// Opens pages in Chromium and says what a person would meet: `node browser.cjs CHROMIUM FOLDER shots|"" PAGE…`, a JSON line for
// each page and colour scheme. Without network: a request that is tried is reported.
"use strict";
const fs = require("fs");
const path = require("path");
const zlib = require("zlib");
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
  await page.setViewport({ width: 1100, height: shots ? 1500 : 900, deviceScaleFactor: shots ? 0.6 : 1 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(url, { waitUntil: "load" });
  const opened_ms = await page.evaluate(async () => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    const painted = performance.getEntriesByName("first-contentful-paint").map((one) => one.startTime);
    return Math.max(performance.getEntriesByType("navigation")[0].loadEventEnd, ...painted);
  });
  // The pictures are drawn once their data are unpacked.
  if (name !== "empty") await page.waitForSelector("figure.live canvas", { timeout: 10000 });
  // Of so many shards the picture is their map.
  if (shots && name === "thousand") await page.evaluate(() => document.getElementById("shards").scrollIntoView());
  if (shots) fs.writeFileSync(path.join(folder, `${name}-${scheme}.png`), small(Buffer.from(await page.screenshot())));
  const wider = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  const sorted = await sorts(page);
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
  // The page allows no script but its own, which is right: axe comes from the outside.
  const violations = await violationsOf(page);
  const broken = await brokenCommands(page);
  await page.close();
  const [bare, lacking] = await bareOf(browser, url, name, scheme);
  return { page: name, scheme, opened_ms: Math.round(opened_ms), requests, errors, violations, wider, sorted, broken, lacking, bare };
}

async function violationsOf(page) {
  const source = fs.readFileSync(axe, "utf8");
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

// Parts of commands that are broken although a line has room for them.
async function brokenCommands(page) {
  return page.evaluate(() => [...document.querySelectorAll("pre span")].filter((part) => {
    const line = parseFloat(getComputedStyle(part).lineHeight);
    const room = part.parentElement.clientWidth - 2 * parseFloat(getComputedStyle(part.parentElement).paddingLeft);
    return part.offsetHeight > 1.5 * line && part.offsetWidth < room - 1;
  }).map((part) => part.textContent));
}

// What is folded, cut or missing on paper, also without scripts.
async function lackingOnPaper(page, name) {
  await page.emulateMediaType("print");
  return page.evaluate((pictures) => {
    const shown = (one) => one.getBoundingClientRect().height > 0;
    const cut = (one) => one.scrollHeight > one.clientHeight + 1 && getComputedStyle(one).overflowY !== "visible";
    const all = (what) => [...document.querySelectorAll(what)];
    const lacking = [...all("table").filter((one) => !shown(one)), ...all(".scroll").filter(cut)].map((one) => one.textContent.slice(0, 60));
    return all("figure > svg").filter(shown).length < pictures ? [...lacking, "pictures"] : lacking;
  }, name === "empty" ? 1 : 4);
}

// Whether tables and pictures are there without scripts, and what is lacking on paper.
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
  const lacking = await lackingOnPaper(page, name);
  await page.close();
  return [seen.tables > 0 && seen.pictures >= (name === "empty" ? 1 : 4), lacking];
}

// The same picture with at most 256 colours: a third of the bytes. A PNG of Chromium is 8 bits a channel, not interlaced.
function small(png) {
  const chunks = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const data = png.subarray(at + 8, at + 8 + png.readUInt32BE(at));
    chunks.push({ name: png.toString("latin1", at + 4, at + 8), data });
  }
  const head = Buffer.from(chunks[0].data);
  const [width, height, channels] = [head.readUInt32BE(0), head.readUInt32BE(4), head[9] === 6 ? 4 : 3];
  const pixels = unfiltered(zlib.inflateSync(Buffer.concat(chunks.filter((one) => one.name === "IDAT").map((one) => one.data))), width, height, channels);
  const shade = (at) => [0, 1, 2].reduce((all, channel) => all * 256 + pixels[at + channel], 0);
  const counted = new Map();
  for (let at = 0; at < pixels.length; at += channels) counted.set(shade(at), (counted.get(shade(at)) ?? 0) + 1);
  const palette = [...counted].sort((one, other) => other[1] - one[1] || one[0] - other[0]).slice(0, 256).map((one) => one[0]);
  const parts = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255];
  const distance = (one, other) => parts(one).reduce((sum, part, at) => sum + (part - parts(other)[at]) ** 2, 0);
  const nearest = new Map(palette.map((colour, place) => [colour, place]));
  const place = (colour) => {
    if (!nearest.has(colour)) nearest.set(colour, palette.reduce((best, other, at) => (distance(colour, other) < distance(colour, palette[best]) ? at : best), 0));
    return nearest.get(colour);
  };
  const lines = Buffer.alloc((width + 1) * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) lines[y * (width + 1) + 1 + x] = place(shade((y * width + x) * channels));
  [head[8], head[9]] = [8, 3];
  const whole = [["IHDR", head], ["PLTE", Buffer.from(palette.flatMap(parts))], ["IDAT", zlib.deflateSync(lines, { level: 9 })], ["IEND", Buffer.alloc(0)]];
  return Buffer.concat([png.subarray(0, 8), ...whole.map(([name, data]) => chunk(name, data))]);
}

// The bytes of a picture before the filters of its lines.
function unfiltered(bytes, width, height, channels) {
  const length = width * channels, pixels = Buffer.alloc(length * height);
  for (let y = 0; y < height; y++) {
    const filter = bytes[y * (length + 1)];
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x >= channels ? pixels[at - channels] : 0, above = y > 0 ? pixels[at - length] : 0;
      const corner = x >= channels && y > 0 ? pixels[at - length - channels] : 0;
      const [p, q, r] = [left, above, corner].map((one) => Math.abs(left + above - corner - one));
      const likely = p <= q && p <= r ? left : q <= r ? above : corner;
      pixels[at] = bytes[y * (length + 1) + 1 + x] + [0, left, above, (left + above) >> 1, likely][filter];
    }
  }
  return pixels;
}

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const sizes = [Buffer.alloc(4), Buffer.alloc(4)];
  sizes[0].writeUInt32BE(data.length);
  const sum = body.reduce((sum, byte) => {
    let bits = sum ^ byte;
    for (let bit = 0; bit < 8; bit++) bits = bits & 1 ? (bits >>> 1) ^ 0xedb88320 : bits >>> 1;
    return bits;
  }, -1);
  sizes[1].writeUInt32BE((sum ^ -1) >>> 0);
  return Buffer.concat([sizes[0], body, sizes[1]]);
}

main().catch((error) => { console.error(error); process.exit(1); });
