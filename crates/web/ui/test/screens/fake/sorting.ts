// How the server sorts calls and recordings: by when they began or how long they took, what took no time as the shortest,
// then by the id.

interface Row {
  id: string;
}

export function sorting<T extends Row>(query: URLSearchParams, began: (row: T) => string, took: (row: T) => number | null): (a: T, b: T) => number {
  const sort = query.get('sort') ?? 'newest';
  const key = (row: T): string | number => (sort === 'newest' || sort === 'oldest' ? began(row) : (took(row) ?? 0));
  const up = sort === 'oldest' || sort === 'shortest' ? 1 : -1;
  return (a, b) => up * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : a.id < b.id ? -1 : 1);
}
