-- Records, put together by what they share: a row for each different text of it, the rest of each record in a list.
-- What they share is read as JSON text, which settings.py looks at once. `doubtful` counts the lines that are not cleared.
SELECT
    record, "schema", workload, profile, variant, options, "precision", sizes, data, framework, device, threads,
    imported, engine, model, quality.metric AS metric,
    list(struct_pack(
        host := host, run_id := run_id, session := session, status := status, repeat := repeat, attempt := attempt,
        finished := try_cast(finished_utc[:19] AS TIMESTAMP),
        {values}
    )) AS members,
    count(*) FILTER ((
        record = '"host"' OR (status IN ({statuses}) AND {whole} AND {bounds})
    ) IS NOT TRUE) AS doubtful
FROM read_json(
    $path, columns = {columns}, format = 'newline_delimited', compression = 'uncompressed',
    hive_partitioning = false, maximum_object_size = {line_bytes}
)
GROUP BY ALL
