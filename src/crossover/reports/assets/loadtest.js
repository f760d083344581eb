// Draws the figures of a load test from the data embedded in the page. Text of the data only ever becomes canvas text.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("data").textContent);
  var FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif';
  var NAMES = { ttft: "time to first token", itl: "between pieces", tpot: "per output token", e2e: "end to end" };
  var TINTS = { ttft: "api", itl: "hosted", tpot: "compute", e2e: "hybrid" };
  var DASH = { ttft: "solid", itl: [10, 4], tpot: [2, 3], e2e: [6, 2] };
  var charts = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  }
  // Braces are rich-text markup of the charting library.
  function clean(text) {
    return String(text).replace(/[{}|]/g, " ").replace(/[\u0000-\u001f\u007f\u202a-\u202e\u2066-\u2069]/g, "");
  }
  function three(value) {
    return Number(value.toPrecision(3));
  }
  function count(value) {
    return value >= 1000 ? Math.round(value).toLocaleString("en-US") : String(three(value));
  }
  function seconds(value) {
    if (value >= 0.9995) return three(value).toLocaleString("en-US") + " s";
    return three(value * 1000) + " ms";
  }
  function log(value) {
    return Math.log10(Math.max(value, 1e-6));
  }
  function base(narrow) {
    return {
      animation: false,
      textStyle: { fontFamily: FONT, fontSize: 13, color: colour("ink") },
      tooltip: {
        renderMode: "richText", confine: true, backgroundColor: colour("card"), borderColor: colour("line"),
        textStyle: { color: colour("ink"), fontFamily: FONT, fontSize: 13, lineHeight: 19 },
      },
      grid: { left: narrow ? 54 : 68, right: narrow ? 16 : 30, top: 24, bottom: 48, containLabel: false },
    };
  }
  function axis(extra) {
    return Object.assign({
      axisLine: { show: true, lineStyle: { color: colour("line") } }, axisTick: { show: false },
      axisLabel: { color: colour("muted"), fontSize: 12, fontFamily: FONT, hideOverlap: true },
      splitLine: { lineStyle: { color: colour("line") } },
      nameTextStyle: { color: colour("muted"), fontSize: 12, fontFamily: FONT }, nameLocation: "middle",
    }, extra);
  }
  // A logarithmic axis of times: a label at 1, 2 and 5 of every decade where there is room, else at the decades.
  function timeAxis(values, extra) {
    var low = log(Math.min.apply(null, values)), high = log(Math.max.apply(null, values));
    var pad = Math.max((high - low) * 0.06, 0.05), marks = [], steps = high - low > 2.2 ? [1] : [1, 2, 5];
    low -= pad; high += pad;
    for (var decade = Math.floor(low); decade <= high; decade += 1) {
      steps.forEach(function (step) {
        var at = decade + Math.log10(step);
        if (at >= low && at <= high) marks.push(at);
      });
    }
    var made = axis(Object.assign({ type: "value", min: low, max: high }, extra));
    made.axisTick = { show: false, customValues: marks };
    made.axisLabel = Object.assign({}, made.axisLabel, {
      customValues: marks, formatter: function (value) { return seconds(Math.pow(10, value)); },
    });
    return made;
  }

  function curve(narrow) {
    var points = data.curve, made = base(narrow), ys = [], byRate = points.some(function (p) { return !p.closed; });
    function x(point) { return byRate ? point.rate : point.tokens; }
    points.forEach(function (p) { ys.push(p.ttft[0], p.ttft[1]); });
    var most = Math.max.apply(null, points.map(x));
    made.xAxis = axis({ type: "value", min: 0, name: byRate ? "answers a second" : "output tokens a second", nameGap: 28 });
    made.xAxis.axisLabel.formatter = count;
    made.yAxis = timeAxis(ys, { name: narrow ? "" : "time to first token", nameGap: 52 });
    made.tooltip.formatter = function (item) {
      var p = points[item.data.at];
      return [clean(p.label), count(p.tokens) + " tokens/s, " + count(p.rate) + " answers/s",
        "first token p50 " + seconds(p.ttft[0]) + ", p95 " + seconds(p.ttft[1])]
        .concat(p.gap === null ? [] : ["between pieces p50 " + seconds(p.gap)])
        .concat(p.failed ? [p.failed + " failed"] : []).join("\n");
    };
    var order = points.map(function (_, at) { return at; }).filter(function (at) { return points[at].closed !== byRate; });
    order.sort(function (a, b) { return byRate ? x(points[a]) - x(points[b]) : 0; });
    var stems = [];
    points.forEach(function (p) { stems.push([x(p), log(p.ttft[0])], [x(p), log(p.ttft[1])], ["-", "-"]); });
    made.series = [
      { type: "line", data: stems, symbol: "none", silent: true, z: 3, lineStyle: { color: colour("api"), width: 1.5, opacity: 0.6 }, tooltip: { show: false } },
      {
        type: "scatter", symbol: "rect", symbolSize: [12, 2], silent: true, z: 3, tooltip: { show: false },
        itemStyle: { color: colour("api"), opacity: 0.8 }, data: points.map(function (p) { return [x(p), log(p.ttft[1])]; }),
      },
      {
        type: "line", symbol: "none", silent: true, z: 4, lineStyle: { color: colour("api"), width: 2.5 }, tooltip: { show: false },
        data: order.map(function (at) { return [x(points[at]), log(points[at].ttft[0])]; }),
      },
      {
        type: "scatter", z: 6, symbolSize: 13,
        data: points.map(function (p, at) {
          return {
            value: [x(p), log(p.ttft[0])], at: at, symbolSize: p.best ? 17 : 12,
            itemStyle: {
              color: p.closed ? colour("api") : colour("card"), opacity: 1, borderWidth: p.best ? 3 : 2,
              borderColor: p.best ? colour("good") : p.closed ? colour("card") : colour("api"),
            },
            label: {
              show: true, position: x(p) > 0.82 * most ? "left" : "bottom", distance: 8, formatter: clean(p.tag), color: p.best ? colour("good") : colour("ink"),
              fontSize: 12, fontWeight: p.best ? 700 : 400, fontFamily: FONT, backgroundColor: colour("card"), padding: [1, 3], borderRadius: 3,
            },
          };
        }),
        labelLayout: { hideOverlap: true },
      },
    ];
    return made;
  }

  function cdf(narrow) {
    var made = base(narrow), lows = [], highs = [], series = [];
    data.cdf.forEach(function (row, number) {
      Object.keys(NAMES).forEach(function (key) {
        var values = row.curves[key];
        if (!values) return;
        lows.push(Math.max(values[Math.floor(values.length * 0.1)] / 2, 1e-5));
        highs.push(values[values.length - 1]);
        series.push({
          type: "line", name: NAMES[key] + (row.run ? ", " + row.run : ""), symbol: "circle", symbolSize: 7, showSymbol: false,
          z: number ? 3 : 5, sampling: "none",
          lineStyle: { color: colour(TINTS[key]), width: number ? 1.2 : 2.5, type: DASH[key], opacity: number ? 0.75 : 1 },
          itemStyle: { color: colour(TINTS[key]) },
          clip: true, data: values.map(function (value, at) { return [log(value), at / (values.length - 1) * 100]; }),
        });
      });
    });
    // Pieces that came together have no gap at all: their end of the curve would squeeze everything else.
    var low = Math.min.apply(null, lows.concat([1])), high = Math.max.apply(null, highs.concat([low * 1.1]));
    data.slo.forEach(function (target) { low = Math.min(low, target.at); high = Math.max(high, target.at); });
    made.xAxis = timeAxis([low, high], { name: "time (log scale)", nameGap: 28 });
    made.yAxis = axis({ type: "value", min: 0, max: 100, name: narrow ? "" : "share of answers (of gaps)", nameGap: 46 });
    made.yAxis.axisLabel.formatter = "{value} %";
    made.tooltip.formatter = function (item) {
      return clean(item.seriesName) + "\n" + Number(item.value[1].toFixed(1)) + " % within " + seconds(Math.pow(10, item.value[0]));
    };
    if (data.slo.length) {
      series.push({
        type: "scatter", silent: true, tooltip: { show: false }, z: 7,
        data: data.slo.map(function (target) {
          return { value: [log(target.at), target.share * 100], symbol: "rect", symbolSize: 10, itemStyle: { color: colour(TINTS[target.metric]), borderColor: colour("card"), borderWidth: 1.5, opacity: 1 } };
        }),
        markLine: {
          silent: true, symbol: "none", animation: false,
          data: data.slo.map(function (target) {
            var tint = colour(TINTS[target.metric]);
            return { xAxis: log(target.at), lineStyle: { color: tint, type: [4, 4], width: 1.5 }, label: { formatter: clean(target.label), position: "insideMiddleBottom", color: tint, fontSize: 12, fontWeight: 600 } };
          }),
        },
      });
    }
    made.series = series;
    return made;
  }

  function timeline(narrow) {
    var line = data.timeline, made = base(narrow), step = line.step;
    var times = line.dots.map(function (dot) { return dot[1]; });
    function at(part) { return (part + 0.5) * step; }
    made.grid = [
      { left: narrow ? 54 : 68, right: narrow ? 44 : 64, top: 20, height: "46%", outerBoundsMode: "none" },
      { left: narrow ? 54 : 68, right: narrow ? 44 : 64, top: "62%", bottom: 48, outerBoundsMode: "none" },
    ];
    var below = axis({ type: "value", min: 0, max: line.end, gridIndex: 1, name: "seconds", nameGap: 28 });
    below.axisLabel.formatter = function (value) { return count(value); };
    var above = axis({ type: "value", min: 0, max: line.end, gridIndex: 0 });
    above.axisLabel = { show: false };
    var tokens = axis({ type: "value", min: 0, gridIndex: 0, name: narrow ? "" : "tokens a second", nameGap: 52, splitNumber: 4 });
    tokens.axisLabel.formatter = count;
    var under = axis({ type: "value", min: 0, gridIndex: 0, position: "right", name: narrow ? "" : "under way", nameGap: 40, splitLine: { show: false }, splitNumber: 4 });
    under.axisLabel.formatter = count;
    var first = timeAxis(times.length ? times : [0.1, 1], { gridIndex: 1, name: narrow ? "" : "first token", nameGap: 52 });
    made.xAxis = [above, below];
    made.yAxis = [tokens, under, first];
    made.tooltip = Object.assign(made.tooltip, {
      formatter: function (item) {
        if (item.seriesName === "first") return "sent at " + three(item.value[0]) + " s\nfirst token after " + seconds(Math.pow(10, item.value[1]));
        if (item.seriesName === "failed") return "failed at " + three(item.value[0]) + " s";
        return "at " + three(item.value[0]) + " s\n" + count(item.value[1]) + (item.seriesName === "tokens" ? " tokens a second" : " under way");
      },
    });
    var end = { silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: colour("muted"), type: [4, 4], width: 1 }, data: [{ xAxis: line.load_end }] };
    made.series = [
      {
        type: "line", name: "tokens", xAxisIndex: 0, yAxisIndex: 0, symbol: "circle", symbolSize: 6, showSymbol: false, step: "middle",
        lineStyle: { color: colour("hosted"), width: 1.5 }, areaStyle: { color: colour("hosted"), opacity: 0.18 }, itemStyle: { color: colour("hosted") },
        data: line.tokens.map(function (value, part) { return [at(part), value]; }), markLine: end,
      },
      {
        type: "line", name: "under", xAxisIndex: 0, yAxisIndex: 1, symbol: "circle", symbolSize: 6, showSymbol: false,
        lineStyle: { color: colour("hybrid"), width: 2, type: [6, 2] }, itemStyle: { color: colour("hybrid") },
        data: line.under_way.map(function (value, part) { return [at(part), value]; }),
      },
      {
        type: "scatter", name: "first", xAxisIndex: 1, yAxisIndex: 2, symbolSize: narrow ? 4 : 5, markLine: end,
        data: line.dots.map(function (dot) {
          return { value: [dot[0], log(dot[1])], itemStyle: dot[2] ? { color: colour("card"), borderColor: colour("muted"), borderWidth: 1, opacity: 1 } : { color: colour("api"), opacity: 0.75 } };
        }),
      },
      {
        type: "scatter", name: "failed", xAxisIndex: 1, yAxisIndex: 2, symbol: "triangle", symbolSize: 8, itemStyle: { color: colour("warn"), opacity: 1 },
        data: line.failed.map(function (value) { return [value, first.max]; }),
      },
    ];
    return made;
  }

  var DRAW = { curve: curve, cdf: cdf, timeline: timeline };

  function draw(entry, width) {
    var wide = width || entry.box.clientWidth;
    entry.chart.resize({ width: wide, height: entry.box.clientHeight });
    entry.chart.setOption(DRAW[entry.name](wide < 560), true);
  }
  function redraw(width) {
    charts.forEach(function (entry) { draw(entry, width); });
  }
  Array.prototype.forEach.call(document.querySelectorAll("[data-chart]"), function (box) {
    var entry = { box: box, name: box.dataset.chart, chart: echarts.init(box, null, { renderer: "canvas", width: box.clientWidth, height: box.clientHeight || 300 }) };
    charts.push(entry);
    draw(entry);
  });
  var waiting = 0;
  window.addEventListener("resize", function () {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(function () { redraw(); });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { redraw(); });
  window.addEventListener("beforeprint", function () {
    document.documentElement.setAttribute("data-print", "");
    redraw(660);
  });
  window.addEventListener("afterprint", function () {
    document.documentElement.removeAttribute("data-print");
    redraw();
  });
  document.documentElement.setAttribute("data-drawn", String(charts.length));
})();
