BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'edged twilio','0001_sendings','2026-11-21 12:31:59.712970+00:00');
CREATE TABLE alert (job TEXT PRIMARY KEY, keypad TEXT NOT NULL UNIQUE, opened_at REAL NOT NULL, step INTEGER NOT NULL, step_began_at REAL NOT NULL, tries INTEGER NOT NULL, notes BLOB NOT NULL, acknowledged_at REAL, acknowledged_by TEXT NOT NULL DEFAULT '', over INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sending (job TEXT NOT NULL, step INTEGER NOT NULL, channel TEXT NOT NULL, recipient TEXT NOT NULL, emergency INTEGER NOT NULL, first_at REAL NOT NULL, given_up_at REAL NOT NULL, sid TEXT UNIQUE, taken_at REAL, status TEXT NOT NULL DEFAULT '', code INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (job, step));
INSERT INTO "sending" VALUES('job-2',0,'sms','alice',1,1790000000.0,1790000030.0,'SM1',1790000001.0,'queued',0);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX sending_recipient ON sending (recipient, emergency, first_at);
COMMIT;
