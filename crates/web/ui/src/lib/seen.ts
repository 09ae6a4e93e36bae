// Tells pieces of the page whether they are in view. One observer for all: it tells them in their order, many do not.

type Told = (inView: boolean) => void;

const watched = new Map<Element, Told>();
let observer: IntersectionObserver | null = null;

function watcher(): IntersectionObserver {
  observer ??= new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) watched.get(target)?.(isIntersecting);
  });
  return observer;
}

/** Tells of each coming into view and going out of it, until it is taken back. */
export function onSeen(element: Element, told: Told): () => void {
  watched.set(element, told);
  watcher().observe(element);
  return () => {
    watched.delete(element);
    observer?.unobserve(element);
  };
}
