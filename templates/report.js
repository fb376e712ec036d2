(function () {
  "use strict";
  // Tables: each heading becomes a button that sorts.
  document.querySelectorAll("table[data-sort]").forEach(function (table) {
    var body = table.tBodies[0], heads = Array.prototype.slice.call(table.tHead.rows[0].cells);
    heads.forEach(function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") === "descending";
        heads.forEach(function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var rows = Array.prototype.map.call(body.rows, function (row) {
          var text = row.cells[column].textContent.trim(), number = parseFloat(text.replace(/,/g, ""));
          return { row: row, key: isNaN(number) ? text : number };
        });
        rows.sort(function (a, b) {
          var order = typeof a.key === typeof b.key ? (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) : typeof a.key === "number" ? 1 : -1;
          return up ? order : -order;
        });
        rows.forEach(function (one) { body.appendChild(one.row); });
      });
    });
  });
  // Browsers that do not print what is folded: unfold it.
  addEventListener("beforeprint", function () {
    document.querySelectorAll("details").forEach(function (one) { one.open = true; });
  });
  // The two pictures over time, live: zoom by dragging, values under the pointer.
  var packed = document.getElementById("data").textContent.trim();
  if (!packed || !window.DecompressionStream || !window.uPlot) return;
  var bytes = Uint8Array.from(atob(packed), function (letter) { return letter.charCodeAt(0); });
  new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json().then(draw);
  function draw(data) {
    if (data.t.length < 2) return;
    var plots = [];
    var utc = function (second) { return uPlot.tzDate(new Date(second * 1000), "Etc/UTC"); };
    // 24 hours, with the day where it is needed.
    function clock(plot, splits) {
      var range = plot.scales.x.max - plot.scales.x.min;
      return splits.map(function (second) {
        var text = new Date(second * 1000).toISOString();
        return range > 130000 ? text.slice(5, 16).replace("T", " ") : range > 900 ? text.slice(11, 16) : text.slice(11, 19);
      });
    }
    function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
    function states(plot) {
      var box = plot.bbox, ink = plot.ctx;
      [["throttled", "--slow"], ["waiting", "--wait"]].forEach(function (state, place) {
        ink.fillStyle = css(state[1]);
        data[state[0]].forEach(function (value, at) {
          if (!value) return;
          var from = plot.valToPos(data.t[at], "x", true), to = plot.valToPos(data.t[at] + data.step, "x", true);
          from = Math.max(from, box.left);
          to = Math.min(to, box.left + box.width);
          if (to > from) ink.fillRect(from, box.top + box.height - (place + 1) * 5 * devicePixelRatio, to - from, 4 * devicePixelRatio);
        });
      });
    }
    function make(id, label, series, values) {
      var figure = document.getElementById(id), axis = { stroke: css("--mute"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") } };
      var plot = new uPlot({
        width: figure.clientWidth, height: 240, tzDate: utc,
        cursor: { sync: { key: "time" } }, scales: { y: { range: function (u, low, high) { return [0, high > 0 ? high * 1.1 : 1]; } } },
        axes: [Object.assign({ values: clock }, axis), axis], hooks: { draw: [states] },
        series: [{ value: "{YYYY}-{MM}-{DD} {HH}:{mm}:{ss}", label: "UTC" }].concat(series.map(function (one) {
          return { label: one[0] + " " + label, stroke: css(one[1]), width: 1.6, dash: one[2], fill: one[3] ? css(one[1]) + "2e" : undefined, points: { show: false }, paths: uPlot.paths.stepped({ align: 1 }) };
        }))
      }, [data.t].concat(values), figure);
      figure.insertBefore(plot.root, figure.firstChild);
      plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
      figure.classList.add("live");
      plots.push([plot, figure]);
    }
    function all() {
      plots.forEach(function (pair) { pair[0].destroy(); });
      plots = [];
      make("f-rows", "rows/s", [["migrated", "--acc", undefined, 1], ["failed", "--bad"], ["skipped", "--mute", [3, 3]]], [data.migrated, data.failed, data.skipped]);
      make("f-bytes", "MiB/s", [["files", "--acc", undefined, 1]], [data.bytes]);
    }
    all();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
    addEventListener("resize", function () {
      plots.forEach(function (pair) { pair[0].setSize({ width: pair[1].clientWidth, height: 240 }); });
    });
  }
})();
