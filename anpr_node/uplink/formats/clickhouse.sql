-- Tables for a sink of format clickhouse; made by: anpr-node uplink schema
--
-- A batch that is sent again carries the same token and is taken once (non_replicated_deduplication_window; a replicated
-- table does so by itself). What comes again in another batch, after a crash or with a corrected time, has the same id:
-- ask the views, which show each read, hit and verdict once, in its last revision.
-- TTL is the law's term: what is older goes with the next merge.

CREATE TABLE IF NOT EXISTS anpr_read
(
    read_id String,
    node_id LowCardinality(String),
    vrm String,
    country LowCardinality(String),
    confidence Float32,
    candidates Array(Tuple(String, Float32)),
    votes UInt32,
    first_seen_ns Int64,
    last_seen_ns Int64,
    clock_source LowCardinality(String),
    clock_offset_ms Float64,
    clock_age_s Float64,
    clock_corrected_ns Nullable(Int64),
    lane LowCardinality(String),
    direction LowCardinality(String),
    box Array(Tuple(Float32, Float32)),
    plate_width_px UInt32,
    exposure_us UInt32,
    model_id LowCardinality(String),
    software_version LowCardinality(String),
    flags Array(String),
    corrects String,
    patch_sha256 String,
    overview_sha256 String,
    sealed String,
    rev UInt64,
    first_seen DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(first_seen_ns, 'UTC')
)
ENGINE = ReplacingMergeTree(rev)
PARTITION BY toDate(first_seen)
ORDER BY (vrm, first_seen, read_id)
TTL toDateTime(first_seen) + INTERVAL {reads_days} DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS anpr_hit
(
    hit_id String,
    read_id String,
    node_id LowCardinality(String),
    vrm String,
    country LowCardinality(String),
    confidence Float32,
    first_seen_ns Int64,
    lane LowCardinality(String),
    direction LowCardinality(String),
    sealed String,
    list_id LowCardinality(String),
    category LowCardinality(String),
    priority UInt8,
    reason String,
    issuer LowCardinality(String),
    actions Array(String),
    match LowCardinality(String),
    raised_at_ns Int64,
    held_back String,
    relay_latency_us Nullable(Int64),
    urgent Bool,
    rev UInt64,
    raised_at DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(raised_at_ns, 'UTC')
)
ENGINE = ReplacingMergeTree(rev)
PARTITION BY toDate(raised_at)
ORDER BY (raised_at, hit_id)
TTL toDateTime(raised_at) + INTERVAL {hits_days} DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS anpr_verdict
(
    hit_id String,
    verdict LowCardinality(String),
    verified_by String,
    verified_at_ns Int64,
    rev UInt64,
    verified_at DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(verified_at_ns, 'UTC')
)
ENGINE = ReplacingMergeTree(rev)
ORDER BY hit_id
TTL toDateTime(verified_at) + INTERVAL {hits_days} DAY
SETTINGS non_replicated_deduplication_window = 10000;

CREATE TABLE IF NOT EXISTS anpr_heartbeat
(
    node_id LowCardinality(String),
    at_ns Int64,
    heartbeat String,
    at DateTime64(9, 'UTC') MATERIALIZED fromUnixTimestamp64Nano(at_ns, 'UTC')
)
ENGINE = MergeTree
ORDER BY (node_id, at)
TTL toDateTime(at) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 1000;

CREATE VIEW IF NOT EXISTS anpr_reads AS
SELECT * EXCEPT (rev), first_seen FROM anpr_read FINAL ORDER BY rev DESC LIMIT 1 BY read_id;

CREATE VIEW IF NOT EXISTS anpr_hits AS
SELECT h.* EXCEPT (rev), h.raised_at AS raised_at, v.verdict AS verdict, v.verified_by AS verified_by
FROM (SELECT *, raised_at FROM anpr_hit FINAL ORDER BY rev DESC LIMIT 1 BY hit_id) AS h
LEFT JOIN (SELECT * FROM anpr_verdict FINAL) AS v ON v.hit_id = h.hit_id;
