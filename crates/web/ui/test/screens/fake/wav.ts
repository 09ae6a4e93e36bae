// A short stereo WAV: a low tone left, a high tone right.

const RATE = 8_000;

export function wav(seconds: number): Buffer {
  const frames = RATE * seconds;
  const bytes = Buffer.alloc(44 + frames * 4);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(36 + frames * 4, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(2, 22);
  bytes.writeUInt32LE(RATE, 24);
  bytes.writeUInt32LE(RATE * 4, 28);
  bytes.writeUInt16LE(4, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(frames * 4, 40);
  for (let i = 0; i < frames; i += 1) {
    const at = (hertz: number): number => Math.round(3_000 * Math.sin((2 * Math.PI * hertz * i) / RATE));
    bytes.writeInt16LE(at(440), 44 + i * 4);
    bytes.writeInt16LE(at(700), 46 + i * 4);
  }
  return bytes;
}
