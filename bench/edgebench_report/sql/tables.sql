-- A row is a run or an inference; a later attempt and a copy have rows of their own until they are counted.
CREATE TABLE members (
    kind VARCHAR, circumstance BIGINT, asked BIGINT, includes_build BOOLEAN,
    host VARCHAR, run_id VARCHAR, session VARCHAR, status VARCHAR, repeat DOUBLE, attempt DOUBLE, finished TIMESTAMP,
    data_s DOUBLE, build_s DOUBLE, train_s DOUBLE, test_s DOUBLE, wall_s DOUBLE, quality DOUBLE, mae_celsius DOUBLE,
    throughput_per_s DOUBLE, latency_mean_us DOUBLE, latency_jitter_us DOUBLE
);
