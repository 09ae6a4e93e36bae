-- The portable subset: TEXT ids (UUIDv7 made by the server), BIGINT UTC milliseconds, BOOLEAN, TEXT json.

CREATE TABLE server_state (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE users (
    id                 TEXT PRIMARY KEY,
    login              TEXT NOT NULL,
    login_key          TEXT NOT NULL UNIQUE,
    name               TEXT NOT NULL,
    role               TEXT NOT NULL,
    password_hash      TEXT NOT NULL,
    extension          TEXT,
    ring               TEXT NOT NULL,
    ring_timeout_ms    BIGINT NOT NULL,
    allow_call_waiting BOOLEAN NOT NULL,
    version            BIGINT NOT NULL,
    created_at         BIGINT NOT NULL
);

CREATE TABLE devices (
    id       TEXT PRIMARY KEY,
    user_id  TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL,
    uri      TEXT,
    position BIGINT NOT NULL
);
CREATE INDEX devices_by_user ON devices (user_id, position);

-- A session is known by the hash of its token: a copy of this table opens no door.
CREATE TABLE sessions (
    token_hash TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE lines (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    server         TEXT NOT NULL,
    username       TEXT NOT NULL,
    password       TEXT NOT NULL,
    auth_username  TEXT,
    outbound_proxy TEXT,
    transport      TEXT,
    mode           TEXT NOT NULL,
    user_id        TEXT REFERENCES users (id) ON DELETE SET NULL,
    dial_format    TEXT NOT NULL,
    dial_prefix    TEXT,
    caller_id      TEXT,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);

CREATE TABLE companies (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    search_key TEXT NOT NULL,
    fields     TEXT NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX companies_by_key ON companies (search_key);

CREATE TABLE contacts (
    id             TEXT PRIMARY KEY,
    name           TEXT NOT NULL,
    search_key     TEXT NOT NULL,
    company_id     TEXT REFERENCES companies (id) ON DELETE SET NULL,
    responsible_id TEXT REFERENCES users (id) ON DELETE SET NULL,
    fields         TEXT NOT NULL,
    version        BIGINT NOT NULL,
    created_at     BIGINT NOT NULL
);
CREATE INDEX contacts_by_key ON contacts (search_key);
CREATE INDEX contacts_by_company ON contacts (company_id);

-- Numbers of contacts and of companies; exactly one of the two owners is set.
CREATE TABLE numbers (
    id         TEXT PRIMARY KEY,
    contact_id TEXT REFERENCES contacts (id) ON DELETE CASCADE,
    company_id TEXT REFERENCES companies (id) ON DELETE CASCADE,
    position   BIGINT NOT NULL,
    number     TEXT NOT NULL,
    e164       TEXT,
    extension  TEXT,
    label      TEXT,
    suffix_key TEXT
);
CREATE INDEX numbers_by_e164 ON numbers (e164);
CREATE INDEX numbers_by_extension ON numbers (extension);
CREATE INDEX numbers_by_suffix ON numbers (suffix_key);
CREATE INDEX numbers_by_contact ON numbers (contact_id);
CREATE INDEX numbers_by_company ON numbers (company_id);

-- The ledger: evidence in the order in which the server saw it.
CREATE TABLE signals (
    seq          BIGINT PRIMARY KEY,
    id           TEXT NOT NULL UNIQUE,
    call_id      TEXT NOT NULL,
    observed_at  BIGINT NOT NULL,
    late_durable BOOLEAN NOT NULL,
    signal       TEXT NOT NULL
);
CREATE INDEX signals_by_call ON signals (call_id, seq);

-- One row a call that has signals; settled once its last interaction is saved.
CREATE TABLE calls (
    id      TEXT PRIMARY KEY,
    settled BOOLEAN NOT NULL
);
CREATE INDEX calls_unsettled ON calls (settled) WHERE NOT settled;

-- What the fold made of the ledger; the columns beside `interaction` exist to be searched.
CREATE TABLE interactions (
    id            TEXT PRIMARY KEY,
    call_id       TEXT NOT NULL UNIQUE,
    direction     TEXT NOT NULL,
    outcome       TEXT,
    state         TEXT NOT NULL,
    caller_number TEXT,
    callee_number TEXT,
    contact_id    TEXT,
    user_id       TEXT,
    line_id       TEXT,
    started_at    BIGINT NOT NULL,
    recorded      BOOLEAN NOT NULL,
    interaction   TEXT NOT NULL
);
CREATE INDEX interactions_by_start ON interactions (started_at, id);
CREATE INDEX interactions_by_user ON interactions (user_id, started_at);
CREATE INDEX interactions_by_contact ON interactions (contact_id, started_at);
CREATE INDEX interactions_by_caller ON interactions (caller_number, started_at);
CREATE INDEX interactions_by_callee ON interactions (callee_number, started_at);

CREATE TABLE recordings (
    id             TEXT PRIMARY KEY,
    interaction_id TEXT NOT NULL,
    state          TEXT NOT NULL,
    duration_ms    BIGINT,
    channels       BIGINT,
    sample_rate_hz BIGINT,
    sha256         TEXT,
    spans          TEXT NOT NULL,
    started_at     BIGINT NOT NULL
);
CREATE INDEX recordings_by_interaction ON recordings (interaction_id);
CREATE INDEX recordings_by_start ON recordings (started_at, id);

-- Frames that browsers can resume from.
CREATE TABLE frames (
    epoch TEXT NOT NULL,
    seq   BIGINT NOT NULL,
    at    BIGINT NOT NULL,
    frame TEXT NOT NULL,
    PRIMARY KEY (epoch, seq)
);
CREATE INDEX frames_by_time ON frames (at);

CREATE TABLE idempotency_keys (
    user_id    TEXT NOT NULL,
    key        TEXT NOT NULL,
    request    TEXT NOT NULL,
    status     BIGINT NOT NULL,
    response   TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, key)
);
