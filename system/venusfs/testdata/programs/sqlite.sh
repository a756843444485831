# Databases with every kind of journal, used by several processes at once.
# needs: sqlite3
# differs: -journal$
for mode in delete truncate persist wal memory; do
  sqlite3 "$mode.db" "pragma journal_mode=$mode; pragma synchronous=full; create table t(id integer primary key, text text);"
  sqlite3 "$mode.db" "begin; with recursive n(i) as (select 1 union all select i+1 from n where i<2000) insert into t select i, hex(zeroblob(50)) || i from n; commit;"
  sqlite3 "$mode.db" "begin; delete from t where id % 3 = 0; rollback; select count(*) from t;"
  sqlite3 "$mode.db" "begin; update t set text = 'x' || text where id % 5 = 0; delete from t where id > 1500; commit; select count(*), sum(length(text)) from t;"
  sqlite3 "$mode.db" "pragma integrity_check;"
done
for mode in delete wal; do
  sqlite3 "$mode.db" "create table counts(worker, n);"
  for worker in 1 2 3 4; do
    (for n in $(seq 20); do echo "begin immediate; insert into counts values($worker, $n); commit;"; done) |
      sqlite3 -cmd '.timeout 60000' "$mode.db" &
  done
  sqlite3 -cmd '.timeout 60000' "$mode.db" "select count(*) >= 0 from counts;"
  wait
  sqlite3 "$mode.db" "select count(*), count(distinct worker * 1000 + n) from counts; pragma integrity_check; pragma wal_checkpoint(truncate);"
done
sqlite3 wal.db "pragma mmap_size=100000000; select count(*) from t; insert into t(text) values('mapped'); select max(id) from t;"
sqlite3 delete.db "vacuum; pragma integrity_check;"
sqlite3 delete.db ".backup copy.db"
sqlite3 copy.db "pragma integrity_check; select count(*) from t;"
sqlite3 wal.db "vacuum into 'vacuumed.db'"
sqlite3 vacuumed.db "select count(*) from t, counts;"
sqlite3 -readonly wal.db "select count(*) from counts;"
ls
# The order of the workers is not the same every time.
rm wal.db delete.db copy.db vacuumed.db
