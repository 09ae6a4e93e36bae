// What may be wrong with how a page is laid out; runs inside the page.

export function faultsOfLayout(): string[] {
  const faults: string[] = [];
  const { innerWidth, innerHeight } = window;
  const name = (element: Element): string =>
    `${element.tagName.toLowerCase()}.${element.className.toString().split(' ')[0] ?? ''} "${(element.textContent ?? '').trim().slice(0, 40)}"`;
  if (document.documentElement.scrollWidth > innerWidth) faults.push(`the page is ${String(document.documentElement.scrollWidth)} px wide`);
  const scrolls = (element: Element | null, axis: 'overflowX' | 'overflowY'): boolean => {
    for (let at = element; at; at = at.parentElement) if (['auto', 'scroll'].includes(getComputedStyle(at)[axis])) return true;
    return false;
  };
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest('.hidden-visually, .skip') || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) continue;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    if (box.width <= 1 || box.height <= 1 || style.clipPath !== 'none') continue;
    const strip = element.closest('.chips, ul.columns, .rail, .words') !== null;
    if (!strip && (box.right > innerWidth + 1 || box.left < -1)) faults.push(`outside at the side: ${name(element)}`);
    if (!scrolls(element, 'overflowY') && (box.bottom > innerHeight + 1 || box.top < -1)) faults.push(`outside above or below: ${name(element)}`);
    const frame = strip || scrolls(element, 'overflowX') ? null : element.closest('.box')?.getBoundingClientRect();
    if (frame && style.position === 'static' && (box.right > frame.right + 1 || box.left < frame.left - 1)) faults.push(`sticks out of its box: ${name(element)}`);
    const cut = style.textOverflow === 'ellipsis' && element.scrollWidth > element.clientWidth;
    if (cut && element.closest('[title]') === null) faults.push(`cut off without a tooltip: ${name(element)}`);
    // A field of one line scrolls what is typed.
    const clips = ['hidden', 'clip'].includes(style.overflowX) && style.textOverflow !== 'ellipsis' && !(element instanceof HTMLInputElement);
    if (clips && element.scrollWidth > element.clientWidth + 1) faults.push(`cut off at the side: ${name(element)}`);
    // A row is opened by all of itself, not by the words of its link.
    if (element.matches('button, a:not(.who), summary') && style.display !== 'inline' && box.height < 24) faults.push(`lower than 24 px: ${name(element)}`);
    // The unfolded search lies over the bar, a dialog over the page.
    const inBar = element.matches('header.top :is(button, input, p)') && document.querySelector('dialog[open], .search.unfolded') === null;
    if (inBar) {
      const seen = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
      if (seen !== null && !element.contains(seen) && !seen.contains(element)) faults.push(`under ${name(seen)}: ${name(element)}`);
    }
    // A placeholder is enough for axe; it is gone with the first letter.
    const field = element instanceof HTMLInputElement || element instanceof HTMLTextAreaElement;
    if (field && element.labels?.length === 0 && !element.hasAttribute('aria-label')) faults.push(`a field without a label: ${name(element)}`);
    if (element.matches('[data-testid=history-row], [data-testid=card-row]') && box.height !== 36) faults.push(`a row of ${String(box.height)} px`);
  }
  const moving = document.getAnimations().filter((one) => one.effect?.getComputedTiming().iterations === Infinity);
  for (const one of moving) {
    const target = (one.effect as KeyframeEffect).target;
    if (!target?.closest('.ringing')) faults.push(`moves and does not ring: ${target ? name(target) : '?'}`);
  }
  return faults;
}
