-- A row is a run or an inference, or a host record; a later attempt and a copy have rows of their own until they are
-- counted. `code` says what it shares with others, `batch` which reading brought it.
CREATE TABLE members (
    code UBIGINT, batch INTEGER,
    host VARCHAR, run_id VARCHAR, session VARCHAR, status VARCHAR, repeat DOUBLE, attempt DOUBLE, finished TIMESTAMP,
    data_s DOUBLE, build_s DOUBLE, train_s DOUBLE, test_s DOUBLE, wall_s DOUBLE, quality DOUBLE, mae_celsius DOUBLE,
    throughput_per_s DOUBLE, latency_mean_us DOUBLE, latency_jitter_us DOUBLE
);

-- What settings.py says of each code.
CREATE TABLE known (
    code UBIGINT, kind VARCHAR, circumstance BIGINT, asked BIGINT, includes_build BOOLEAN
);

CREATE VIEW entries AS
SELECT members.rowid AS row, members.* EXCLUDE (code, batch), kind, circumstance, asked, includes_build
FROM members JOIN known USING (code) WHERE kind <> 'host';
