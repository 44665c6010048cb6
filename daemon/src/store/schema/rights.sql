-- Who may do what. A room of 0 is the whole server. Names as they were first written.

CREATE TABLE grants (
    room INTEGER NOT NULL,
    user TEXT    NOT NULL,
    role TEXT    NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE private_rooms (room INTEGER PRIMARY KEY) STRICT;

CREATE TABLE mutes (
    room   INTEGER NOT NULL,
    user   TEXT    NOT NULL,
    until  INTEGER, -- milliseconds since 1970; NULL: until it is taken back
    reason TEXT    NOT NULL,
    by     TEXT    NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;

CREATE TABLE bans (
    room   INTEGER NOT NULL,
    whom   TEXT    NOT NULL, -- user:NAME, certificate:SHA256 or address:RANGE
    until  INTEGER,
    reason TEXT    NOT NULL,
    by     TEXT    NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (room, whom)
) STRICT, WITHOUT ROWID;

-- Who did what to whom. Only ever added to.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL, -- milliseconds since 1970
    user   TEXT,             -- by this user over the wire,
    uid    INTEGER,          -- or by this user of the system through the control socket
    did    TEXT    NOT NULL,
    whom   TEXT,
    room   TEXT,
    what   TEXT,
    until  INTEGER,
    reason TEXT    NOT NULL,
    CHECK ((user IS NULL) = (uid IS NOT NULL))
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
-- INSERT OR REPLACE would take the old line away without asking the other trigger.
CREATE TRIGGER audit_grows BEFORE INSERT ON audit
WHEN NEW.id <= (SELECT ifnull(max(id), 0) FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
