// Draws the charts of a page with Chart.js: bars and lines over time, known gaps hatched, moments marked, and a part of time
// chosen by dragging. The data comes from elements of type application/json, so that no script stands in a page.
"use strict";

(() => {
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const isDark = () => document.documentElement.classList.contains("dark");
  const SERIES = {
    light: ["#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2", "#65a30d", "#be185d", "#4b5563", "#a16207"],
    dark: ["#60a5fa", "#fbbf24", "#34d399", "#c084fc", "#f87171", "#22d3ee", "#a3e635", "#f472b6", "#9ca3af", "#facc15"],
  };
  const TONES = { good: ["#059669", "#34d399"], bad: ["#dc2626", "#f87171"], plain: ["#4b5563", "#9ca3af"] };
  const tone = (name) => (TONES[name] || TONES.plain)[isDark() ? 1 : 0];

  const number = (value, language, digits = 2) =>
    new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);
  const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

  function inUnit(value, unit, language) {
    if (value === null || value === undefined) return "-";
    if (unit === "ns") {
      if (value >= 3.6e12) return `${number(value / 3.6e12, language)} h`;
      if (value >= 6e10) return `${number(value / 6e10, language)} min`;
      if (value >= 1e9) return `${number(value / 1e9, language)} s`;
      return `${number(value / 1e6, language)} ms`;
    }
    if (unit === "bytes") {
      const step = value > 0 ? Math.min(BYTES.length - 1, Math.floor(Math.log2(value) / 10)) : 0;
      return `${number(value / 2 ** (10 * step), language)} ${BYTES[step]}`;
    }
    if (unit === "percent") return `${number(value, language)} %`;
    if (unit === "per_second") return `${number(value, language)} /s`;
    return number(value, language);
  }

  function clock(data, width) {
    const options = { timeZone: data.zone };
    if (width < 86400) Object.assign(options, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const whole = data.width * data.starts.length;
    if (width >= 86400 || whole > 86400 * 1.5) Object.assign(options, { month: "short", day: "numeric" });
    return new Intl.DateTimeFormat(data.language, options);
  }

  function said(data, seconds) {
    const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    const here = new Intl.DateTimeFormat(data.language, { ...options, timeZone: data.zone }).format(seconds * 1000);
    if (data.zone === "UTC") return `${here} UTC`;
    const utc = new Intl.DateTimeFormat(data.language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
    return `${here} (${utc.format(seconds * 1000)} UTC)`;
  }

  // Gaps lie under the bars, marks over them. Both are given in time, and slots begin half a bar before their middle.
  const position = (chart, data, seconds) => {
    const slots = data.starts.length;
    const { left, right } = chart.chartArea;
    const share = (seconds - data.starts[0]) / (data.width * slots);
    return Math.min(right, Math.max(left, left + share * (right - left)));
  };
  const moment = (chart, data, x) => {
    const { left, right } = chart.chartArea;
    const share = Math.min(1, Math.max(0, (x - left) / (right - left)));
    return data.starts[0] + share * data.width * data.starts.length;
  };

  function hatch(context) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.strokeStyle = isDark() ? "rgb(251 146 60 / .55)" : "rgb(194 65 12 / .4)";
    pen.lineWidth = 1.5;
    pen.beginPath();
    for (const x of [-8, 0, 8]) {
      pen.moveTo(x, 8);
      pen.lineTo(x + 8, 0);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat");
  }

  const underlay = (data) => ({
    id: "gaps",
    beforeDatasetsDraw(chart) {
      const { ctx, chartArea } = chart;
      ctx.save();
      ctx.fillStyle = hatch(ctx);
      for (const gap of data.gaps) {
        const from = position(chart, data, gap.since);
        const to = Math.max(from + 3, position(chart, data, gap.until));
        if (gap.until >= data.starts[0]) ctx.fillRect(from, chartArea.top, to - from, chartArea.bottom - chartArea.top);
      }
      ctx.restore();
    },
    afterDatasetsDraw(chart) {
      const { ctx, chartArea } = chart;
      ctx.save();
      for (const mark of data.marks) {
        const x = position(chart, data, mark.at);
        ctx.strokeStyle = ctx.fillStyle = tone(mark.tone);
        ctx.setLineDash([4, 3]);
        ctx.beginPath();
        ctx.moveTo(x, chartArea.top);
        ctx.lineTo(x, chartArea.bottom);
        ctx.stroke();
        ctx.beginPath();
        ctx.moveTo(x - 5, chartArea.top);
        ctx.lineTo(x + 5, chartArea.top);
        ctx.lineTo(x, chartArea.top + 7);
        ctx.fill();
      }
      ctx.restore();
      if (chart.selection) {
        const [from, to] = chart.selection;
        ctx.save();
        ctx.fillStyle = isDark() ? "rgb(96 165 250 / .25)" : "rgb(37 99 235 / .18)";
        ctx.fillRect(Math.min(from, to), chartArea.top, Math.abs(to - from), chartArea.bottom - chartArea.top);
        ctx.restore();
      }
    },
  });

  const within = (data, index) => {
    const from = data.starts[index];
    const to = from + data.width;
    return {
      gaps: data.gaps.filter((gap) => gap.since < to && gap.until >= from),
      marks: data.marks.filter((mark) => mark.at >= from && mark.at < to),
    };
  };

  function datasets(data) {
    const colours = SERIES[isDark() ? "dark" : "light"];
    return data.series.map((series, index) => ({
      label: series.title,
      data: series.values,
      type: series.kind,
      unit: series.unit,
      yAxisID: axisOf(data, series.unit),
      order: series.kind === "line" ? 0 : 1,
      stack: series.kind === "line" ? `line-${index}` : "bars",
      backgroundColor: series.kind === "line" ? "transparent" : colours[index % colours.length],
      borderColor: colours[index % colours.length],
      borderWidth: series.kind === "line" ? 2 : 0,
      pointRadius: 0,
      pointHitRadius: 8,
      categoryPercentage: 1,
      barPercentage: 0.86,
    }));
  }

  const units = (data) => [...new Set(data.series.map((series) => series.unit))];
  const axisOf = (data, unit) => (units(data).indexOf(unit) === 0 ? "y" : "y1");

  function scales(data) {
    const ink = isDark() ? style("--color-base-400") : style("--color-base-600");
    const grid = isDark() ? "rgb(148 163 184 / .18)" : "rgb(100 116 139 / .18)";
    const labels = clock(data, data.width);
    const found = {
      x: {
        stacked: data.stacked,
        grid: { display: false },
        border: { color: grid },
        ticks: {
          color: ink,
          autoSkip: true,
          maxRotation: 0,
          autoSkipPadding: 16,
          callback: (_value, index) => labels.format(data.starts[index] * 1000),
        },
      },
    };
    units(data).slice(0, 2).forEach((unit, place) => {
      found[place ? "y1" : "y"] = {
        stacked: data.stacked,
        position: place ? "right" : "left",
        beginAtZero: true,
        grid: { color: grid, drawOnChartArea: !place },
        border: { display: false },
        ticks: { color: ink, maxTicksLimit: 5, callback: (value) => inUnit(value, unit, data.language) },
      };
    });
    return found;
  }

  function tooltip(data) {
    return {
      mode: "index",
      intersect: false,
      animation: false,
      itemSort: (a, b) => b.raw - a.raw,
      filter: (item, index, items) => items.length < 4 || item.raw > 0,
      callbacks: {
        title: (items) => (items.length ? said(data, data.starts[items[0].dataIndex]) : ""),
        label: (item) => ` ${item.dataset.label}: ${inUnit(item.raw, item.dataset.unit, data.language)}`,
        footer: (items) => {
          if (!items.length) return "";
          const { gaps, marks } = within(data, items[0].dataIndex);
          const told = gaps.slice(0, 4).map((gap) => `${data.words.missing} ${gap.text}`);
          return [...told, ...marks.slice(0, 4).map((mark) => mark.text)];
        },
      },
    };
  }

  function options(data) {
    const ink = isDark() ? style("--color-base-200") : style("--color-base-700");
    return {
      responsive: true,
      maintainAspectRatio: false,
      animation: false,
      interaction: { mode: "index", intersect: false },
      scales: scales(data),
      plugins: {
        legend: { display: data.series.length > 1, position: "bottom", labels: { color: ink, boxWidth: 12, boxHeight: 12 } },
        tooltip: tooltip(data),
      },
    };
  }

  // A part of time is chosen with the pointer; the control above the chart does the same by keyboard.
  function letDrag(chart, canvas, data) {
    let from = null;
    const x = (event) => event.clientX - canvas.getBoundingClientRect().left;
    const end = () => {
      from = null;
      chart.selection = null;
      chart.draw();
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      from = x(event);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (from === null) return;
      chart.selection = [from, x(event)];
      chart.draw();
    });
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerup", (event) => {
      if (from === null) return;
      const [low, high] = [from, x(event)].sort((a, b) => a - b);
      end();
      if (high - low < 8) return;
      const address = new URL(data.zoom || window.location.href, window.location.href);
      ["period", "page"].forEach((name) => address.searchParams.delete(name));
      address.searchParams.set("since", Math.floor(moment(chart, data, low)));
      address.searchParams.set("until", Math.ceil(moment(chart, data, high)));
      window.location.assign(address);
    });
  }

  function draw(canvas) {
    const data = JSON.parse(document.getElementById(canvas.dataset.dbpowerChart).textContent);
    const chart = new Chart(canvas, {
      type: "bar",
      data: { labels: data.starts, datasets: datasets(data) },
      options: options(data),
      plugins: [underlay(data)],
    });
    letDrag(chart, canvas, data);
    new MutationObserver(() => {
      chart.data.datasets = datasets(data);
      chart.options = options(data);
      chart.update("none");
    }).observe(document.documentElement, { attributeFilter: ["class"] });
  }

  const drawAll = (within) =>
    within.querySelectorAll("canvas[data-dbpower-chart]").forEach((canvas) => {
      if (!Chart.getChart(canvas)) draw(canvas);
    });
  // Unfold sets defaults of its own when the page has loaded; each chart here says all it needs.
  document.addEventListener("DOMContentLoaded", () => drawAll(document));
  document.addEventListener("htmx:afterSwap", (event) => drawAll(event.target));
})();
