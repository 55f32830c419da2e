"""What edged keeps on disk, all of it in one folder (`directory`): one SQLite file per camera (`database`, with numbered
`migrations`), in it the events that wait for the broker (`outbox`, `outbox_table`); and a lock, so that no two daemons
write it. `swap` replaces several files there at once, for a restore.
"""
