-- Missed-call items: one row a piece of work for a caller whom nobody answered.
CREATE TABLE missed_items (
    id                      TEXT PRIMARY KEY,
    number                  TEXT,
    number_dialled          TEXT,
    contact_id              TEXT,
    attempts                BIGINT NOT NULL,
    first_at                BIGINT NOT NULL,
    last_at                 BIGINT NOT NULL,
    owner_id                TEXT,
    state                   TEXT NOT NULL,
    closed_by               TEXT,
    closed_at               BIGINT,
    answered_interaction_id TEXT,
    interaction_id          TEXT NOT NULL,
    user_ids                TEXT NOT NULL
);
CREATE INDEX missed_items_by_last ON missed_items (last_at, id);
CREATE INDEX missed_items_unclosed ON missed_items (state) WHERE state <> 'closed';

-- The calls that an item counts; whose line was called decides who sees the item.
CREATE TABLE missed_calls (
    interaction_id TEXT PRIMARY KEY,
    item_id        TEXT NOT NULL,
    call_id        TEXT NOT NULL,
    user_id        TEXT,
    contact_id     TEXT,
    number         TEXT,
    number_dialled TEXT,
    started_at     BIGINT NOT NULL,
    ended_at       BIGINT NOT NULL
);
CREATE INDEX missed_calls_by_item ON missed_calls (item_id, user_id);
CREATE INDEX missed_calls_by_call ON missed_calls (call_id);
