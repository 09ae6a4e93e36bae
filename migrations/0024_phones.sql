-- Telephones that register at the server itself: an account each. Of the password there are digests alone.
CREATE TABLE phones (
    device_id TEXT PRIMARY KEY REFERENCES devices (id) ON DELETE CASCADE,
    name      TEXT,
    username  TEXT NOT NULL UNIQUE,
    realm     TEXT NOT NULL,
    md5       TEXT NOT NULL,
    sha256    TEXT NOT NULL,
    last_seen BIGINT
);

-- Where they are, so that they ring at once after a restart.
CREATE TABLE phone_bindings (
    device_id  TEXT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    place      BIGINT NOT NULL,
    contact    TEXT NOT NULL,
    transport  TEXT NOT NULL,
    local      TEXT NOT NULL,
    remote     TEXT NOT NULL,
    q          BIGINT NOT NULL,
    instance   TEXT,
    user_agent TEXT,
    call_id    TEXT NOT NULL,
    cseq       BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (device_id, place)
);
