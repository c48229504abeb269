-- Records: what each shares with others as text, which settings.py looks at once, and what is its own.
-- `cleared` says whether a line is one that numbers may rest on.
SELECT
    record, "schema", workload, profile, variant, options, "precision", sizes, data, framework, device, threads,
    environment, imported, engine, model, quality.metric AS metric,
    host, run_id, session, status, repeat, attempt, try_cast(finished_utc[:19] AS TIMESTAMP) AS finished,
    {values},
    record = 'host' OR (
        status IN ({statuses}) AND {whole} AND {bounds} AND {names}
    ) AS cleared
FROM read_json(
    $path, columns = {columns}, format = 'newline_delimited', compression = 'uncompressed',
    hive_partitioning = false, maximum_object_size = {line_bytes}
)
