const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\+00:00$/;
// Values in the units that Grafana's dashboards name.
const number = (value, digits = 4) => {
  if (value !== 0 && Math.abs(value) < 1e-9) return value.toExponential(2);
  const notation = Math.abs(value) >= 1e9 ? "compact" : "standard";
  return value.toLocaleString("en", { notation, maximumSignificantDigits: Math.abs(value) >= 1e4 ? 9 : digits });
};

function seconds(value) {
  const size = Math.abs(value);
  if (size >= 7200) return `${number(value / 3600)} h`;
  if (size >= 120) return `${number(value / 60)} min`;
  if (size >= 1 || size === 0) return `${number(value, 3)} s`;
  return size >= 1e-3 ? `${number(value * 1e3, 3)} ms` : `${number(value * 1e6, 3)} µs`;
}

function bytes(value, base, names) {
  let step = 0;
  while (Math.abs(value) >= base && step < names.length - 1) {
    value /= base;
    step += 1;
  }
  return `${number(value, 3)} ${names[step]}`;
}

const NAMED = {
  s: seconds,
  ms: (value) => seconds(value / 1e3),
  µs: (value) => seconds(value / 1e6),
  percentunit: (value) => `${number(value * 100)} %`,
  percent: (value) => `${number(value)} %`,
  bytes: (value) => bytes(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
  decbytes: (value) => bytes(value, 1000, ["B", "kB", "MB", "GB", "TB"]),
  reqps: (value) => `${number(value)} requests/s`,
  binBps: (value) => `${bytes(value, 1024, ["B", "KiB", "MiB", "GiB"])}/s`,
  Bps: (value) => `${bytes(value, 1000, ["B", "kB", "MB", "GB"])}/s`,
  locale: (value) => value.toLocaleString("en", { maximumFractionDigits: 9 }),
  bool_yes_no: (value) => (value ? "yes" : "no"),
  dateTimeFromNow: (value) => `${seconds((Date.now() - value) / 1000)} ago`,
};
for (const unit of ["cps", "ops", "wps", "rps", "iops", "eps", "mps", "rowsps"]) NAMED[unit] = (value) => `${number(value)} /s`;

export function write(value, unit) {
  if (value == null) return "–";
  if (typeof value !== "number") return String(value).replace(INSTANT, "$1 $2");
  if (NAMED[unit]) return NAMED[unit](value);
  if (unit.startsWith("suffix:")) return `${number(value, 6)} ${unit.slice(7).trim()}`;
  if (unit.startsWith("prefix:")) return `${unit.slice(7).trim()} ${number(value, 6)}`;
  return number(value);
}
