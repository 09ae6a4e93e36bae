// Whether a mouse moves over something: then nothing there may come, go or change its place.

const REST_MS = 3_000;

export class Steady {
  on = $state(false);
  private rest: ReturnType<typeof setTimeout> | undefined;

  readonly moved = (event: PointerEvent): void => {
    if (event.pointerType !== 'mouse') return;
    this.on = true;
    clearTimeout(this.rest);
    this.rest = setTimeout(this.released, REST_MS);
  };

  readonly released = (): void => {
    clearTimeout(this.rest);
    this.on = false;
  };
}
