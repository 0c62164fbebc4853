"""Codes SL08..: the HTTP edge and its clients."""

from streamlake.engine.codes.base import Code

TITLE = "HTTP edge"
WHO = "whoever runs the edge, or sends to it"

REFUSED = Code(
    "SL0801",
    "the edge refuses requests as they are sent",
    "`streamlake post` was answered 400, 401, 403, 404, 411 or 415: the key, the address or the form is not right.",
    "Mend what the message names, then send again: what was stored is not sent twice with the same `--name`.",
)
NO_VERDICT = Code(
    "SL0802",
    "the validator gave no verdict for a request",
    "It failed as a whole, so the request was answered 500 and nothing of it was stored.",
    "Mend the validator of the stream; the client sends again.",
    event="the validator's answer is none",
)
KAFKA_AWAY = Code(
    "SL0803",
    "the edge can't write to Kafka",
    "The topic's leaders do not answer or refuse: requests are answered 503 with Retry-After, and nothing is accepted.",
    "Check the brokers and the right to WRITE. A line says when it can be written to again.",
    event="kafka can't be written to",
)
REQUEST_FAILED = Code(
    "SL0804",
    "a request failed by a bug",
    "Something was raised that the edge does not know; the client got 500 and nothing of its place.",
    "Please report it, with the line.",
    event="request failed",
)
WORKER_CANT_BEGIN = Code(
    "SL0805",
    "a worker of the edge can't begin",
    "What it is made of has changed since the server began: a module, a schema, the file of keys. `problems` says it.",
    "Put it right: the server tries again by itself, each second.",
    event="a worker can't begin",
)
WORKER_DIED = Code(
    "SL0806",
    "a worker of the edge died over a request",
    "Its validator ended the process. The request is validated in a process of its own if it comes again.",
    "Mend the validator of the stream.",
    event="a worker died while it validated a request, which is validated apart if it comes again",
)
NOT_RELOADED = Code(
    "SL0807",
    "the edge was not reloaded",
    "SIGHUP was sent, and the YAML can't be used as it is now or changes what is fixed (`http.listen`, "
    "`http.workers`). All goes on as before.",
    "Mend what `problems` says and send SIGHUP again, or stop the edge and start it.",
    event="not reloaded, all goes on as before",
)
SIGNAL = Code(
    "SL0808",
    "a signal does nothing here",
    "gunicorn would change the number of workers or re-execute itself by it; the edge does neither.",
    "`http.workers` says how many there are; SIGTERM ends, SIGHUP reloads.",
    event="this signal does nothing here: http.workers says how many there are; SIGTERM ends, SIGHUP reloads",
)
SCHEMA_NOT_SHOWN = Code(
    "SL0809",
    "a validator's JSON Schema is not shown",
    "It refers to something in a way that can't be moved into /openapi.json. Validation is as ever.",
    "Nothing; or write the schema with its definitions under `$defs`.",
    event="the validator's JSON Schema is not shown",
)
KEYS_NOT_READ = Code(
    "SL0810",
    "the API keys can't be read again",
    "The file of keys was changed, and is now gone or not to be understood. Those read before stay in force.",
    "Mend the file (`streamlake keys list` reads it).",
    event="the API keys can't be read again; those read before stay in force",
)
