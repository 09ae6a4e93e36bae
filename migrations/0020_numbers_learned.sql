-- Numbers that a contact or a company was given: the calls of them with nobody known are looked at again, then the row goes.
CREATE TABLE numbers_learned (
    id     TEXT PRIMARY KEY,
    number TEXT NOT NULL
);
