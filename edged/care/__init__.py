"""Looking after an installation: backups (`backup`, `restore`, over `backup_file` and `sealed_stream`), what stands in the
way of an upgrade (`upgrade`), and what helps others to help (`bundle`, with `redaction`).

`places` says what there is on disk, and what part of it is what.
"""
