-- What reports sum and filter by, beside the interaction that says it too.
ALTER TABLE interactions ADD COLUMN answered BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE interactions ADD COLUMN ended_at BIGINT;
ALTER TABLE interactions ADD COLUMN ringing_ms BIGINT;
ALTER TABLE interactions ADD COLUMN talk_ms BIGINT;
ALTER TABLE interactions ADD COLUMN hold_ms BIGINT;
-- Null, waiting or settled: how a call that nobody answered stands, kept in step with its item.
ALTER TABLE interactions ADD COLUMN missed TEXT;
UPDATE interactions SET missed = (
    SELECT CASE m.state WHEN 'closed' THEN 'settled' ELSE 'waiting' END
    FROM missed_calls c JOIN missed_items m ON m.id = c.item_id WHERE c.interaction_id = interactions.id
);
-- A report reads this alone, and never the interactions themselves.
CREATE INDEX interactions_counted ON interactions
    (started_at, direction, answered, outcome, missed, ended_at, ringing_ms, talk_ms, hold_ms, line_id, user_id);
