// Numbers are type: as many digits as the space deserves, the full value on focus.

/** Every digit that a float32 has: the shortest decimal that reads back as the same number. */
export function full(value) {
  for (let digits = 1; digits < 9; digits += 1) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return typographic(String(Number(text)));
  }
  return typographic(String(Number(value.toPrecision(9))));
}

/** The value with the decimals that fit into so many characters; null where not even its integer part does. */
export function fitting(value, characters) {
  for (let decimals = Math.min(characters - 2, 3); decimals >= 0; decimals -= 1) {
    const text = value.toFixed(decimals);
    if (text.length <= characters) return typographic(Number(text) === 0 ? "0" : text);
  }
  return null;
}

/** A number for the end of a scale. */
export function short(value) {
  return typographic(String(Number(value.toPrecision(3))));
}

/** A probability in percent that never claims certainty. */
export function percent(probability) {
  if (probability >= 0.9995) return ">99.9 %";
  if (probability < 0.0005) return "0 %";
  return `${(100 * probability).toFixed(1)} %`;
}

function typographic(text) {
  return text.replace(/-/g, "−");
}
