//! A PostgreSQL server, asked by one connection.

mod settings;

use std::time::{Duration, Instant};

use spotter_actors::Clock;
use spotter_protocol::SHARDS;
use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection};

use super::{Chart, commits, shown, tables};
use crate::clock::SystemClock;
use crate::db::{Pool, query};
use crate::store::Server;
use crate::store::postgres::OLDEST;

/// How long the server may take to let somebody in.
const PATIENCE: Duration = Duration::from_secs(5);
/// Round trips that are measured.
const ROUND_TRIPS: usize = 20;
/// A round trip above this is felt in every acknowledgement.
const FAR: Duration = Duration::from_millis(5);
/// Clocks further apart than this are wrong, in microseconds.
const APART: u64 = 2_000_000;
/// How long a node may be silent before another may take over, in microseconds.
const SILENT: i64 = 3_500_000;

pub(super) async fn examine(server: &Server, chart: &mut Chart) {
    let name = server.name();
    let pool = match reach(server).await {
        Ok(pool) => Pool::Postgres(pool),
        Err(said) => {
            let advice = "is it running, does it listen there, and are user, password and database right?";
            return chart
                .fail("reachable", format!("{name} cannot be used within {PATIENCE:?}: {said}; {advice}"));
        }
    };
    chart.ok("reachable", name.clone());
    let looks = async {
        let is_writable = version(&pool, chart).await?;
        tables(&pool, &name, chart).await;
        let may_create = privileges(&pool, chart).await?;
        chart.ok("extensions", "none needed");
        settings::durability(&pool, server, chart).await?;
        settings::connections(&pool, server, chart).await?;
        let commits_end = settings::standbys(&pool, chart).await?;
        time(&pool, chart).await?;
        if is_writable && may_create && commits_end {
            let measured = durable(&pool, chart).await;
            chart.looked("durable commit", measured);
        } else {
            chart.warn("durable commit", "not measured, for what is said above");
        }
        statistics(&pool, chart).await?;
        nodes(&pool, chart).await
    };
    let looked: sqlx::Result<()> = looks.await;
    chart.looked("server", looked);
    pool.close().await;
}

/// Connects; what a pool would keep trying ends here with what the server said.
async fn reach(server: &Server) -> Result<sqlx::PgPool, String> {
    let options =
        server.options.clone().options([("client_min_messages", "warning")]).disable_statement_logging();
    let reached = tokio::time::timeout(PATIENCE, options.connect()).await;
    let connection = reached.map_err(|_| "no answer".to_owned())?.map_err(|error| error.to_string())?;
    connection.close().await.map_err(|error| error.to_string())?;
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_with(options);
    pool.await.map_err(|error| error.to_string())
}

/// Looks how old it is, and whether it can be written at all.
async fn version(pool: &Pool, chart: &mut Chart) -> sqlx::Result<bool> {
    let said = query(
        "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
             pg_is_in_recovery() AS standby",
    );
    let said = said.fetch_one(pool).await?;
    let version: String = said.get("version")?;
    if said.get::<i64>("number")? < OLDEST.into() {
        chart.fail("version", format!("PostgreSQL {version}: spotter needs 15 or newer"));
    } else {
        chart.ok("version", format!("PostgreSQL {version}"));
    }
    let is_standby: bool = said.get("standby")?;
    if is_standby {
        chart.fail("role", "this server is a standby and takes no writes: name the primary, or promote it");
    }
    Ok(!is_standby)
}

/// Looks at what the user may do; answers whether tables may be made.
async fn privileges(pool: &Pool, chart: &mut Chart) -> sqlx::Result<bool> {
    let may = query(
        "SELECT current_user::text AS name, current_schema()::text AS schema,
             coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS tables,
             has_function_privilege('pg_control_system()', 'EXECUTE') AS control,
             has_function_privilege('pg_walfile_name(pg_lsn)', 'EXECUTE')
                 AND has_function_privilege('pg_current_wal_insert_lsn()', 'EXECUTE') AS log",
    );
    let may = may.fetch_one(pool).await?;
    let (name, schema): (String, Option<String>) = (may.get("name")?, may.get("schema")?);
    let Some(schema) = schema else {
        chart
            .fail("privileges", format!("{name} sees no schema: set its search_path, or grant USAGE on one"));
        return Ok(false);
    };
    let mut lacks = Vec::new();
    let may_create: bool = may.get("tables")?;
    if !may_create {
        lacks.push(format!(
            "may not make tables, as each month needs one: GRANT CREATE ON SCHEMA {schema} TO {name}"
        ));
    }
    for (has, function) in [("control", "pg_control_system()"), ("log", "pg_walfile_name(pg_lsn)")] {
        if !may.get::<bool>(has)? {
            lacks.push(format!("may not call {function}: GRANT EXECUTE ON FUNCTION {function} TO {name}"));
        }
    }
    // The journal's parts are attached by its owner.
    let tables = query(
        "SELECT string_agg(relname::text, ', ' ORDER BY relname) AS closed FROM pg_class
         WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND relname IN (
                 'meta', 'shards', 'entities', 'journal', 'snapshots', 'sessions', 'sets', 'bests', 'gyms', 'users',
                 'links', 'workouts', 'refresh_tokens', 'letters', 'reminders', 'messages', 'dead_letters', 'nodes')
             AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                 AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')
                 AND (relname <> 'journal' OR pg_has_role(relowner, 'USAGE')))",
    );
    if let Some(closed) = tables.fetch_one(pool).await?.get::<Option<String>>("closed")? {
        lacks.push(format!("may not write all of {closed}: make it the owner of spotter's tables"));
    }
    if lacks.is_empty() {
        chart.ok(
            "privileges",
            format!("{name} may make and write tables in {schema} and read the course of history"),
        );
    } else {
        chart.fail("privileges", format!("{name} {}", lacks.join("; ")));
    }
    Ok(may_create)
}

/// Measures round trips, and how far the clocks are apart.
async fn time(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    let mut trips = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let (begun, before) = (Instant::now(), SystemClock.now());
        let asked = query("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now");
        let now: i64 = asked.fetch_one(pool).await?.get("now")?;
        let took = begun.elapsed();
        let half = i64::try_from(took.as_micros() / 2).unwrap_or(i64::MAX);
        trips.push((took, now.saturating_sub(before.0.saturating_add(half))));
    }
    trips.sort_unstable();
    let (median, (_, ahead)) = (trips[ROUND_TRIPS / 2].0, trips[0]);
    let said = format!("median {} of {ROUND_TRIPS}", shown(median));
    if median > FAR {
        chart.warn(
            "round trip",
            format!("{said}: every acknowledgement waits for one; bring node and server together"),
        );
    } else {
        chart.ok("round trip", said);
    }
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let said =
        format!("the server's is {} {side} this host's", shown(Duration::from_micros(ahead.unsigned_abs())));
    if ahead.unsigned_abs() > APART {
        chart.warn("clocks", format!("{said}: let both follow the same time (chrony, ntpd)"));
    } else {
        chart.ok("clocks", said);
    }
    Ok(())
}

/// Measures commits in a table of their own, which is dropped again.
async fn durable(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    query("SET statement_timeout = '5s'").execute(pool).await?;
    // One may be left of a doctor that was killed.
    query("DROP TABLE IF EXISTS spotter_doctor").execute(pool).await?;
    query("CREATE TABLE spotter_doctor (n integer)").execute(pool).await?;
    let insert = async || query("INSERT INTO spotter_doctor VALUES (1)").execute(pool).await.map(|_| ());
    let measured = commits(insert, chart).await;
    query("DROP TABLE spotter_doctor").execute(pool).await?;
    measured
}

async fn statistics(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    let rows =
        query("SELECT (SELECT reltuples > 0 FROM pg_class WHERE oid = to_regclass('shards')) AS known");
    match rows.fetch_one(pool).await?.get::<Option<bool>>("known")? {
        Some(true) => chart.ok("statistics", "of the shards are there"),
        Some(false) => {
            chart.warn("statistics", "none of the shards, so that writes are planned slowly: ANALYZE shards")
        }
        None => chart.warn("statistics", "none, as there are no tables yet"),
    }
    Ok(())
}

/// Who serves.
async fn nodes(pool: &Pool, chart: &mut Chart) -> sqlx::Result<()> {
    let there =
        query("SELECT to_regclass('nodes') IS NOT NULL AND has_table_privilege('nodes', 'SELECT') AS there");
    if !there.fetch_one(pool).await?.get::<bool>("there")? {
        return Ok(());
    }
    let nodes = query(
        "SELECT address, build, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - renewed_at AS silent,
             (SELECT count(*) FROM shards WHERE shards.node = nodes.node) AS shards
         FROM nodes ORDER BY renewed_at DESC",
    );
    let nodes = nodes.fetch_all(pool).await?;
    if nodes.is_empty() {
        chart.ok("nodes", "nobody serves");
    }
    for row in nodes {
        let (address, build, silent): (String, String, i64) =
            (row.get("address")?, row.get("build")?, row.get("silent")?);
        let shards: i64 = row.get("shards")?;
        let said = format!(
            "{address}, build {build}, {shards} of {SHARDS} shards, silent for {:.1} s",
            silent as f64 / 1e6
        );
        if silent > SILENT {
            chart.warn(
                "nodes",
                format!("{said}: it has ended without saying so, or is cut off; another may take over"),
            );
        } else {
            chart.ok("nodes", said);
        }
    }
    Ok(())
}
