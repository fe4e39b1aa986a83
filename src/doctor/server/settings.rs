//! How a server is set.

use super::super::Chart;
use crate::db::{Pool, query};
use crate::store::Server;

/// Whether what is acknowledged is flushed before.
pub(super) async fn durability(pool: &Pool, server: &Server, chart: &mut Chart) -> sqlx::Result<()> {
    let set = query(
        "SELECT current_setting('fsync') AS fsync, current_setting('full_page_writes') AS full_page_writes,
             current_setting('synchronous_commit') AS synchronous_commit,
             current_setting('wal_compression') AS wal_compression",
    );
    let set = set.fetch_one(pool).await?;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = set.get(setting)?;
        if value != "off" {
            chart.ok(setting, value);
        } else if server.allow_unsafe {
            chart.warn(setting, "off: what was acknowledged may be lost; allowed by postgres.allow_unsafe");
        } else {
            let user = server.options.get_username();
            let said = format!(
                "off: what was acknowledged may be lost. Turn it on (of {user} too: ALTER ROLE {user} SET …)"
            );
            chart.fail(setting, said);
        }
    }
    match set.get::<String>("wal_compression")?.as_str() {
        "off" => chart.ok("wal_compression", "off; lz4 would write less log after each checkpoint"),
        set => chart.ok("wal_compression", set),
    }
    Ok(())
}

/// Whether all connections of a node are let in, and left alone.
pub(super) async fn connections(pool: &Pool, server: &Server, chart: &mut Chart) -> sqlx::Result<()> {
    let limits = query(
        "SELECT least(
             current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0),
             (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
             (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())) AS allowed,
             current_setting('max_connections') AS maximum",
    );
    let limits = limits.fetch_one(pool).await?;
    let (allowed, maximum): (i64, String) = (limits.get("allowed")?, limits.get("maximum")?);
    let needed = i64::from(server.connections());
    let said =
        format!("{allowed} for this user (max_connections = {maximum}), and a node opens up to {needed}");
    if allowed < needed {
        chart.fail(
            "connections",
            format!("{said}: raise the limits, or lower postgres.lanes and postgres.readers"),
        );
    } else {
        chart.ok("connections", said);
    }
    // The connection was opened with this; so are those of a node, with more.
    let set = query("SELECT current_setting('client_min_messages') AS level").fetch_one(pool).await?;
    if set.get::<String>("level")? == "warning" {
        chart.ok("pooler", "none: what spotter sets for its connections arrives");
    } else {
        let said = "what spotter sets for its connections does not arrive: connect to the server itself";
        chart.warn("pooler", said);
    }
    // Those of statements and of transactions spotter sets for its own connections.
    let ends = query(
        "SELECT string_agg(name || ' = ' || setting || coalesce(unit, ''), ', ' ORDER BY name) AS timeouts
         FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout') AND setting <> '0'",
    );
    match ends.fetch_one(pool).await?.get::<Option<String>>("timeouts")? {
        Some(ends) => {
            let user = server.options.get_username();
            let said = format!("{ends} ends connections that spotter keeps: ALTER ROLE {user} SET it to 0");
            chart.warn("timeouts", said);
        }
        None => chart.ok("timeouts", "none but those that spotter sets for its own connections"),
    }
    Ok(())
}

/// Whether a failover would lose what was acknowledged; answers whether commits end at all.
pub(super) async fn standbys(pool: &Pool, chart: &mut Chart) -> sqlx::Result<bool> {
    const NAME: &str = "standbys";
    let found = query(
        "SELECT current_setting('synchronous_standby_names') AS names,
             current_setting('synchronous_commit') AS waits_for,
             (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) AS synchronous,
             (SELECT string_agg(application_name || ' ' || coalesce(client_addr::text, ''), ', ')
                 FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'async') AS asynchronous,
             (SELECT count(*) FROM pg_stat_replication WHERE sync_state IS NULL) AS hidden",
    );
    let found = found.fetch_one(pool).await?;
    let (names, waits_for): (String, String) = (found.get("names")?, found.get("waits_for")?);
    let synchronous: i64 = found.get("synchronous")?;
    if !names.is_empty() && synchronous == 0 && found.get::<i64>("hidden")? == 0 && waits_for != "local" {
        let said = format!(
            "synchronous_standby_names = {names:?}, and none of them is connected: every commit waits"
        );
        chart.fail(NAME, format!("{said}; start one, or take its name away"));
        return Ok(false);
    }
    if let Some(asynchronous) = found.get::<Option<String>>("asynchronous")?
        && synchronous == 0
    {
        let said = format!(
            "asynchronous standby may lose acknowledged sets at failover: {}; name it in synchronous_standby_names",
            asynchronous.trim_end()
        );
        chart.warn(NAME, said);
    } else if found.get::<i64>("hidden")? > 0 {
        chart.warn(
            NAME,
            "there are some, and this user may not see whether they are synchronous: GRANT pg_monitor",
        );
    } else if synchronous > 0 && matches!(waits_for.as_str(), "local" | "off") {
        let said = format!(
            "synchronous_commit = {waits_for} does not wait for them: a failover may lose acknowledged sets"
        );
        chart.warn(NAME, said);
    } else if synchronous > 0 {
        chart.ok(NAME, format!("{synchronous} synchronous"));
    } else {
        chart.ok(NAME, "none");
    }
    Ok(true)
}
