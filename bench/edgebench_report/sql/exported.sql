-- The rows that `edgebench-report export --format parquet` wrote, as records.sql reads records.
SELECT
    record, '2'::JSON AS "schema", to_json(workload) AS workload, profile,
    to_json(variant) AS variant, options::JSON AS options,
    CASE WHEN record = 'run' THEN "precision" END AS "precision",
    CASE WHEN record = 'run' THEN json_object(
        'train_samples', train_samples, 'test_samples', test_samples, 'epochs', epochs, 'batch', batch
    ) END AS sizes,
    json_object('synthetic', data_synthetic, 'sha256', data_sha256, 'input', data_input) AS data,
    json_object(
        'name', framework, 'version', framework_version, 'keras', keras, 'numpy', numpy, 'python', python
    ) AS framework,
    CASE WHEN device_kind IS NOT NULL THEN json_object('kind', device_kind) END AS device,
    json_object('intra', threads_intra, 'inter', threads_inter) AS threads,
    environment::JSON AS environment,
    CASE WHEN build_s IS NULL AND train_total_s IS NOT NULL THEN '{{"train_includes_build": true}}'::JSON END AS imported,
    CASE WHEN record = 'inference' THEN json_object(
        'name', engine, 'library', engine_library, 'version', engine_version, 'delegate', engine_delegate
    ) END AS engine,
    CASE WHEN record = 'inference' THEN json_object(
        'id', model, 'form', model_form, 'precision', "precision", 'weights', model_weights, 'sha256', model_sha256
    ) END AS model,
    metric,
    host, run_id, session, status, repeat::DOUBLE AS repeat, attempt::DOUBLE AS attempt,
    try_cast(finished_utc[:19] AS TIMESTAMP) AS finished,
    {values},
    record IN ('run', 'inference') AND status IN ({statuses}) AND {names} AS cleared
FROM (
    FROM read_parquet($path, hive_partitioning = false)
    -- Exports of before records had it.
    UNION ALL BY NAME SELECT NULL::VARCHAR AS environment WHERE false
)
