-- Who did what, when and from where. No reference to users: a row outlives whom it names, and keeps the log-in beside the id.
CREATE TABLE audit (
    id      TEXT PRIMARY KEY,
    at      BIGINT NOT NULL,
    action  TEXT NOT NULL,
    user_id TEXT,
    login   TEXT,
    subject TEXT,
    source  TEXT NOT NULL
);
CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_user ON audit (user_id, at);
CREATE INDEX audit_by_action ON audit (action, at);
