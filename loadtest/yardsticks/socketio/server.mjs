// What a typical team would build for the same work: Socket.IO with its MessagePack parser and its Redis adapter,
// `pg` with its pool, one prepared insert for each command, an acknowledgement after it. Nothing here is slow on
// purpose and nothing is tuned: the pool, the parser and the adapter are as they come.
//
// YARDSTICK_LISTEN is where it listens (host:port), YARDSTICK_DATABASE an empty PostgreSQL database, YARDSTICK_REDIS
// the Redis that joins several of these; without one it uses none.
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import pg from 'pg'
import { Server } from 'socket.io'
import parser from 'socket.io-msgpack-parser'

const TABLES = `
  CREATE TABLE IF NOT EXISTS sessions (
    id uuid PRIMARY KEY, athlete uuid NOT NULL, n bigint NOT NULL, title text NOT NULL, at bigint NOT NULL,
    received_at bigint NOT NULL);
  CREATE TABLE IF NOT EXISTS exercises (
    session uuid NOT NULL, n bigint NOT NULL, athlete uuid NOT NULL, exercise text NOT NULL, name text NOT NULL,
    sets jsonb NOT NULL, at bigint NOT NULL, received_at bigint NOT NULL, PRIMARY KEY (session, n));
  CREATE TABLE IF NOT EXISTS sets (
    session uuid NOT NULL, n bigint NOT NULL, athlete uuid NOT NULL, id uuid NOT NULL, load_g integer, reps integer,
    at bigint NOT NULL, received_at bigint NOT NULL, PRIMARY KEY (session, n));
  CREATE TABLE IF NOT EXISTS ends (
    session uuid NOT NULL, n bigint NOT NULL, athlete uuid NOT NULL, at bigint NOT NULL, received_at bigint NOT NULL,
    PRIMARY KEY (session, n))`

// An athlete's device counts what it sends of a session: n makes a command that is sent twice one row.
const INSERTS = {
  start: {
    text: `INSERT INTO sessions (id, n, athlete, at, received_at, title)
      VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
    values: (body) => [body.title],
  },
  plan: {
    text: `INSERT INTO exercises (session, n, athlete, at, received_at, exercise, name, sets)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    values: (body) => [body.exercise, body.name, JSON.stringify(body.sets)],
  },
  set: {
    text: `INSERT INTO sets (session, n, athlete, at, received_at, id, load_g, reps)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    values: (body) => [body.set, body.load_g, body.reps],
  },
  finish: {
    text: `INSERT INTO ends (session, n, athlete, at, received_at)
      VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
    values: () => [],
  },
}

const NEWEST = `
  SELECT max(n)::int AS n FROM (
    SELECT n FROM sessions WHERE id = $1
    UNION ALL SELECT max(n) FROM exercises WHERE session = $1
    UNION ALL SELECT max(n) FROM sets WHERE session = $1
    UNION ALL SELECT max(n) FROM ends WHERE session = $1) AS every`

const pool = new pg.Pool({ connectionString: process.env.YARDSTICK_DATABASE })
await pool.query(TABLES)

const http = createServer((request, response) => {
  response.writeHead(request.url === '/readyz' ? 200 : 404).end()
})
const io = new Server(http, { parser, transports: ['websocket'], serveClient: false })

const redis = []
if (process.env.YARDSTICK_REDIS) {
  const publisher = new Redis(process.env.YARDSTICK_REDIS)
  redis.push(publisher, publisher.duplicate())
  io.adapter(createAdapter(...redis))
}

io.on('connection', async (socket) => {
  const athlete = socket.handshake.auth.token
  const room = `athlete:${athlete}`

  for (const [name, { text, values }] of Object.entries(INSERTS)) {
    socket.on(name, async (body, acknowledge) => {
      const receivedAt = Date.now() * 1000
      try {
        const placed = [body.session, body.n, athlete, body.at, receivedAt]
        await pool.query({ name, text, values: [...placed, ...values(body)] })
      } catch (error) {
        console.error(error)
        return acknowledge({ error: 'unavailable' })
      }
      socket.to(room).emit(name, { ...body, by: athlete, received_at: receivedAt })
      acknowledge({ v: body.n })
    })
  }
  socket.on('follow', async ({ session }, acknowledge) => {
    const { rows } = await pool.query({ name: 'newest', text: NEWEST, values: [session] })
    acknowledge({ v: rows[0].n ?? 0 })
  })
  socket.on('ping', (acknowledge) => acknowledge({ clock: Date.now() * 1000 }))
  await socket.join(room)
})

process.on('SIGTERM', async () => {
  await io.close()
  await pool.end()
  redis.forEach((connection) => connection.disconnect())
})

const [host, port] = process.env.YARDSTICK_LISTEN.split(':')
http.listen(Number(port), host)
