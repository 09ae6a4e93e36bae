// What a number is for, as the server keeps it; the words are `label.*`.

export const LABELS = ['mobile', 'work', 'home', 'fax', 'main'];
