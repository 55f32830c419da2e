BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'edged history','0001_past','2026-11-21 13:03:03.421735+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'edged history','0002_other','2026-11-21 13:03:03.422227+00:00');
CREATE TABLE past (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, person TEXT NOT NULL, payload BLOB NOT NULL, other TEXT NOT NULL DEFAULT '');
INSERT INTO "past" VALUES(1,'e-1',1772366400000,'identity','Zoë ''O''',X'7B226964223A22652D31222C226174223A22323032362D30332D30315431323A30303A30302E3030305A222C226B696E64223A226964656E74697479222C2263616D657261223A2266726F6E74222C22706572736F6E223A225A6FC3AB20274F27227D','');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX past_at ON past (at_ms);
CREATE INDEX past_person ON past (person, at_ms) WHERE person != '';
CREATE INDEX past_other ON past (other, at_ms) WHERE other != '';
COMMIT;
