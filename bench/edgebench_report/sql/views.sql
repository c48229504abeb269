-- What a person asks: runs, superseded, inferences; the view medians is made beside them. See docs/scale.md.

CREATE VIEW measured AS
SELECT
    *,
    coalesce(build_s, CASE WHEN includes_build THEN 0 END) + train_s AS train_total_s,
    -- Times are rounded apart, so that a sum may pass the whole by a hair.
    CASE WHEN wall_s IS NOT NULL AND data_s + build_s + train_s + test_s IS NOT NULL
        THEN greatest(0, wall_s - (data_s + build_s + train_s + test_s)) END AS other_s,
    newest IS NULL OR attempt = newest AS counts
FROM entries LEFT JOIN late USING (host, run_id, asked, repeat);

CREATE VIEW runs AS
SELECT
    host, circumstances.*, run_id, session, repeat::BIGINT AS repeat, attempt::BIGINT AS attempt, status,
    train_total_s, data_s, build_s, train_s, test_s, other_s, wall_s, quality, mae_celsius
FROM measured JOIN circumstances USING (circumstance) WHERE kind = 'run' AND counts;

CREATE VIEW inferences AS
SELECT
    host, circumstances.*, run_id, session, repeat::BIGINT AS repeat, attempt::BIGINT AS attempt, status,
    throughput_per_s, latency_mean_us, latency_jitter_us, quality
FROM measured JOIN circumstances USING (circumstance) WHERE kind = 'inference' AND counts;

CREATE VIEW superseded AS
SELECT host, circumstances.*, run_id, session, kind, repeat::BIGINT AS repeat, attempt::BIGINT AS attempt, status
FROM measured JOIN circumstances USING (circumstance) WHERE NOT counts;

-- The value at a position, counted from 1, of a sorted list; between two, on the line between them.
CREATE MACRO value_at(sorted, place) AS CASE
    WHEN place <= 1 THEN sorted[1]
    WHEN place >= len(sorted) THEN sorted[len(sorted)]
    ELSE sorted[floor(place)::BIGINT]
        + (place - floor(place)) * (sorted[floor(place)::BIGINT + 1] - sorted[floor(place)::BIGINT])
END;

CREATE MACRO median_of(sorted) AS value_at(sorted, (len(sorted) + 1) / 2);

-- Median-unbiased (Hyndman and Fan 8), as statistics.py computes quartiles.
CREATE MACRO quantile_of(sorted, share) AS value_at(sorted, (len(sorted) + 1 / 3) * share + 1 / 3);
