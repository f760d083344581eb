// Draws the charts from the values in data-chart. Text only ever becomes canvas text, never markup.
(function () {
  "use strict";
  var FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif';
  var DASH = { api: "solid", hosted: [10, 4], self: "solid", hybrid: [3, 3] };
  var KINDS = { api: "API", hosted: "Hosted open weights", self: "Own machines", hybrid: "Hybrid" };
  var DAY = 86400;
  var still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
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
  function short(value, before) {
    var sign = value < 0 ? "−" : "", size = Math.abs(value), steps = [[1e9, "B"], [1e6, "M"], [1e3, "k"]];
    for (var i = 0; i < steps.length; i += 1) {
      if (size >= steps[i][0] * 0.9995) return sign + before + three(size / steps[i][0]) + steps[i][1];
    }
    return sign + before + (size < 1e-6 ? three(size) : Number(size.toPrecision(3)).toString());
  }
  var UNITS = {
    usd: function (value) { return short(value, "$"); },
    count: function (value) { return short(value, ""); },
    ms: function (value) { return value >= 1000 ? three(value / 1000) + " s" : three(value) + " ms"; },
  };
  function two(number) {
    return (number < 10 ? "0" : "") + number;
  }
  function stamp(seconds, step) {
    var date = new Date(seconds * 1000), day = date.getUTCDate() + " " + MONTHS[date.getUTCMonth()];
    return step >= DAY ? day : day + " " + two(date.getUTCHours()) + ":00";
  }
  var MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  function base(narrow, unit) {
    return {
      animation: !still, animationDuration: 250,
      textStyle: { fontFamily: FONT, fontSize: 13, color: colour("ink") },
      tooltip: {
        trigger: "axis", renderMode: "richText", confine: true, backgroundColor: colour("card"), borderColor: colour("line"),
        axisPointer: { type: "line", lineStyle: { color: colour("muted") } },
        textStyle: { color: colour("ink"), fontFamily: FONT, fontSize: 13, lineHeight: 19 },
        valueFormatter: function (value) { return value === null || value === undefined ? "–" : unit(value); },
      },
      grid: { left: narrow ? 46 : 54, right: narrow ? 10 : 16, top: 12, bottom: 52 },
      legend: {
        bottom: 0, left: 0, itemWidth: 14, itemHeight: 9, itemGap: 14, textStyle: { color: colour("muted"), fontSize: 12, fontFamily: FONT },
        inactiveColor: colour("line"),
      },
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

  function overTime(spec, narrow) {
    var unit = UNITS[spec.unit], made = base(narrow, unit), first = spec.lines[0].values;
    var labels = first.map(function (_, at) { return stamp(spec.begin + at * spec.step, spec.step); });
    made.xAxis = axis({ type: "category", data: labels, splitLine: { show: false } });
    made.xAxis.axisLabel = Object.assign({}, made.xAxis.axisLabel, {
      formatter: function (text) { return spec.step * first.length > 2 * DAY ? text.replace(/ \d\d:00$/, "") : text.replace(/^.* /, ""); },
    });
    made.yAxis = axis({ type: "value", min: 0, splitNumber: 4, axisLine: { show: false } });
    made.yAxis.axisLabel = Object.assign({}, made.yAxis.axisLabel, { formatter: unit });
    made.series = spec.lines.map(function (line) {
      var tint = colour(line.colour), name = clean(line.name);
      if (line.draw === "bar") {
        return { type: "bar", stack: "all", name: name, data: line.values, barCategoryGap: "22%", itemStyle: { color: tint } };
      }
      return {
        type: "line", name: name, data: line.values, symbol: first.length > 40 ? "none" : "circle", symbolSize: 5, connectNulls: true,
        lineStyle: { color: tint, width: 2 }, itemStyle: { color: tint }, z: 5,
      };
    });
    return made;
  }

  function log(value) {
    return Math.log10(Math.max(value, 1e-12));
  }
  function crossing(spec, narrow) {
    var made = base(narrow, UNITS.usd), xs = [], ys = [];
    spec.curves.forEach(function (curve) {
      curve.points.forEach(function (point) { xs.push(log(point[0])); ys.push(log(point[2])); });
    });
    [spec.volume, spec.planned].forEach(function (volume) { if (volume) xs.push(log(volume)); });
    var low = Math.floor(Math.min.apply(null, xs)), high = Math.ceil(Math.max.apply(null, xs));
    var bottom = Math.floor(Math.min.apply(null, ys)), top = Math.ceil(Math.max.apply(null, ys));
    made.tooltip.trigger = "item";
    made.tooltip.formatter = function (one) {
      var data = one.data.value || one.data;
      return clean(one.seriesName) + "\n" + short(Math.pow(10, data[0]), "") + " a day: " + UNITS.usd(Math.pow(10, data[1])) + " a month";
    };
    made.grid = { left: narrow ? 52 : 64, right: narrow ? 14 : 28, top: 26, bottom: 78 };
    made.legend = Object.assign(made.legend, { itemGap: 10, itemWidth: 22, type: narrow ? "scroll" : "plain" });
    made.xAxis = logAxis(low, high, function (value) { return short(value, ""); }, { name: "requests a day", nameGap: 26 });
    made.yAxis = logAxis(bottom, top, UNITS.usd, {});
    made.series = [];
    spec.curves.forEach(function (curve) {
      var tint = colour(curve.kind), name = clean(curve.title);
      made.series.push({
        type: "line", name: name, symbol: "circle", symbolSize: 4, showSymbol: false,
        data: curve.points.map(function (point) { return [log(point[0]), log(point[2])]; }),
        lineStyle: { color: tint, width: 2.5, type: DASH[curve.kind] }, itemStyle: { color: tint },
      });
    });
    if (spec.volume) {
      made.series.push({
        id: "today", type: "scatter", name: "today", symbolSize: 15, z: 20, data: dots(spec),
        itemStyle: { color: colour("ink"), borderColor: colour("card"), borderWidth: 2 },
        markLine: {
          symbol: "none", silent: true, animation: false, data: [{ xAxis: log(spec.volume) }],
          label: { formatter: "today", position: "end", color: colour("ink"), fontFamily: FONT, fontSize: 12, fontWeight: 600 },
          lineStyle: { color: colour("ink"), type: "dashed", width: 1 },
        },
      });
    }
    return made;
  }
  // One dot on every curve, at today's volume.
  function dots(spec) {
    var x = log(spec.volume), found = [];
    spec.curves.forEach(function (curve) {
      for (var i = 1; i < curve.points.length; i += 1) {
        var a = curve.points[i - 1], b = curve.points[i];
        if (log(a[0]) <= x && x <= log(b[0])) {
          var part = (x - log(a[0])) / (log(b[0]) - log(a[0]) || 1);
          found.push({ value: [x, log(a[2]) + part * (log(b[2]) - log(a[2]))], itemStyle: { color: colour(curve.kind) } });
          break;
        }
      }
    });
    return found;
  }
  function logAxis(low, high, format, extra) {
    var made = axis(Object.assign({ type: "value", min: low, max: high }, extra)), decades = [];
    for (var decade = low; decade <= high; decade += 1) decades.push(decade);
    made.axisTick = { show: false, customValues: decades };
    made.axisLabel = Object.assign({}, made.axisLabel, {
      customValues: decades, formatter: function (value) { return format(Math.pow(10, value)); },
    });
    return made;
  }

  var DRAW = { time: overTime, crossing: crossing };
  function draw(one) {
    one.chart.setOption(DRAW[one.spec.kind](one.spec, one.box.clientWidth < 520), true);
  }
  function start(box) {
    var one = { box: box, spec: JSON.parse(box.getAttribute("data-chart")), chart: window.echarts.init(box, null, { renderer: "canvas" }) };
    charts.push(one);
    draw(one);
  }
  document.querySelectorAll("[data-chart]").forEach(start);
  window.addEventListener("resize", function () {
    charts.forEach(function (one) {
      one.chart.resize();
      draw(one);
    });
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { charts.forEach(draw); });
  // The plan's dot follows the traffic.
  document.addEventListener("htmx:afterSwap", function () {
    var said = document.getElementById("volume");
    var volume = said && Number(said.getAttribute("data-volume"));
    charts.forEach(function (one) {
      if (one.spec.kind === "crossing" && volume && volume !== one.spec.volume) {
        one.spec.volume = volume;
        draw(one);
      }
      if (!document.contains(one.box)) one.chart.dispose();
    });
    charts = charts.filter(function (one) { return document.contains(one.box); });
    document.querySelectorAll("[data-chart]").forEach(function (box) {
      if (!charts.some(function (one) { return one.box === box; })) start(box);
    });
  });
  document.documentElement.setAttribute("data-drawn", "");
})();
