/** How numbers are written: short where they are compared, exact where they are looked up. */

export function shortNumber(value: number, digits = 3): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return minus(String(value));
  const magnitude = Math.abs(value);
  if (magnitude >= 1e6 || magnitude < 1e-3) return minus(trimmed(value.toExponential(digits - 1)));
  return minus(value.toFixed(Math.max(0, digits - 1 - Math.floor(Math.log10(magnitude)))));
}

/** With a plus sign on positive numbers, so that signs are read and not only seen. */
export function signedNumber(value: number, digits = 3): string {
  return value > 0 ? `+${shortNumber(value, digits)}` : shortNumber(value, digits);
}

/** With the decimals that suit the largest of its neighbours. */
export function numberAmong(value: number, largest: number, digits = 3): string {
  if (!Number.isFinite(value) || largest >= 1e5 || largest < 1e-4) return shortNumber(value, 2);
  const decimals = Math.min(5, Math.max(0, digits - 1 - Math.floor(Math.log10(largest))));
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : minus(text);
}

/** The shortest text that reads back as the same number in the precision it came in. */
export function exactNumber(value: number, dtype = "float64"): string {
  if (!Number.isFinite(value)) return shortNumber(value);
  if (dtype !== "float32" && dtype !== "float16") return String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (dtype === "float32" ? Math.fround(Number(text)) === value : closestHalf(Number(text), value)) return String(Number(text));
  }
  return String(value);
}

/** A half holds eleven bits, so a text nearer than half their step reads back as the same. */
function closestHalf(found: number, value: number): boolean {
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(value) || 1))) - 10);
  return Math.abs(found - value) < step / 2;
}

function trimmed(text: string): string {
  const [mantissa, exponent] = text.split("e");
  return `${mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa}e${exponent.replace("+", "")}`;
}

function minus(text: string): string {
  return text.replace(/^-/, "−");
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
