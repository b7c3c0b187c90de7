/** From base64 to numbers, whatever type they were stored in. */

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The reverse of zlib's compress. */
export async function inflated(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A half-precision number from its sixteen bits. */
export function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const TYPES = {
  bool: Uint8Array,
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Little-endian bytes as numbers; 64-bit integers become the nearest double. */
export function asNumbers(bytes: Uint8Array<ArrayBuffer>, dtype: string): ArrayLike<number> {
  if (dtype === "int64") return Float64Array.from(new BigInt64Array(bytes.buffer), Number);
  if (dtype === "uint64") return Float64Array.from(new BigUint64Array(bytes.buffer), Number);
  if (dtype === "float16") return Float32Array.from(new Uint16Array(bytes.buffer), half);
  const type = TYPES[dtype as keyof typeof TYPES];
  if (type === undefined) throw new Error(`numbers of type ${dtype} cannot be read here`);
  return new type(bytes.buffer);
}

/** Complex numbers, stored in pairs, as texts. */
export function complexTexts(bytes: Uint8Array<ArrayBuffer>, dtype: string): string[] {
  const parts = asNumbers(bytes, dtype === "complex64" ? "float32" : "float64");
  return Array.from({ length: parts.length / 2 }, (_, i) => {
    const imaginary = parts[2 * i + 1];
    return `${parts[2 * i]}${imaginary < 0 ? "" : "+"}${imaginary}j`;
  });
}
