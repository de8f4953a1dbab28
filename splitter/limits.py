"""Every hard bound, with its reason.  What a user may change is an option whose default stands here.

Unit last in the name: `_bytes`, `_s`, `_us`.  Relations between bounds are asserted at the end.
"""

# --- The data plane: heads ---------------------------------------------------------------------------------------
HEAD_BYTES_MAX = 32 * 1024  # four times the usual server's: large cookies pass, floods of fields do not
HEAD_FIELDS_MAX = 128
PREAMBLE_BYTES_MAX = 2 * 1024  # of the PROXY protocol: addresses and what a cloud's balancer adds to them
FIELD_BYTES_MAX = 16 * 1024
TARGET_BYTES_MAX = 8 * 1024
CONTENT_LENGTH_DIGITS_MAX = 18  # stays below 2**63 on every peer that we stand in front of
CHUNK_SIZE_DIGITS_MAX = 15
CHUNK_LINE_BYTES_MAX = 256  # size, extension and CRLF: nobody sends longer ones for a good reason
CHUNK_EXTENSION_BYTES_MAX = 16 * 1024  # of all chunks of a body: they are dropped, so they may not cost for ever
FORMER_BLOCKS_MAX = 1_024  # field lines of former requests that are remembered: those of so many clients at a time
FORMER_BLOCK_BYTES_MAX = 4 * 1024  # longer ones are not: so at most 12 MiB, with what stacks get for them
FORMER_ANSWERS_MAX = 32  # heads of answers that are remembered, of an endpoint: many are equal for a second
FORMER_ANSWER_BYTES_MAX = 4 * 1024
FORMER_SPAN_S = 30.0  # unused; they hold cookies
TRAILER_BYTES_MAX = 8 * 1024
INTERIM_RESPONSES_MAX = 16  # 1xx per exchange; an unproven stack may send them for ever

# --- The data plane: times ---------------------------------------------------------------------------------------
HEAD_TIMEOUT_S = 15.0
BODY_PROGRESS_TIMEOUT_S = 60.0
BODY_RATE_BYTES_PER_S_MIN = 240
BODY_RATE_GRACE_S = 10.0
KEEP_ALIVE_TIMEOUT_S = 75.0
CONNECT_TIMEOUT_S = 3.0
FIRST_BYTE_TIMEOUT_S = 30.0
RESPONSE_PROGRESS_TIMEOUT_S = 60.0
UPSTREAM_IDLE_TIMEOUT_S = 30.0
LINGER_TIMEOUT_S = 5.0  # how long we read and drop what a client still sends after an early final response
PARKING_S = 10.0  # unless somebody says how long
PARKING_S_MAX = 60.0  # clients give up about then
CERTIFICATE_CHECK_S = 10.0  # between two looks at the files of certificates
FRAMES_PER_PIECE_MAX = 2_048  # of a WebSocket, in what is read at once: 1.5 ms of the loop's time
TUNNEL_IDLE_TIMEOUT_S = 3600.0
TUNNEL_JITTER_S = 5.0  # over which the goodbyes of tunnels are spread that end together: their clients come back
TUNNEL_CLOSE_TIMEOUT_S = 5.0  # for both sides of a tunnel to close as they are used to, once one was told to
TUNNEL_FAREWELL_SPARE_S = 1.0  # beside these two, for the ticks of the clock
DRAIN_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 30.0  # for what is in flight when splitter itself stops
DRAIN_TUNNELS_TIMEOUT_S = 60.0

# --- The data plane: room ----------------------------------------------------------------------------------------
WRITE_BUFFER_BYTES_MAX = 64 * 1024
HELD_BODY_BYTES_MAX = 64 * 1024  # what may be sent again to another arm
PIPELINE_BYTES_MAX = 64 * 1024
CONNECTIONS_PER_ENDPOINT_MAX = 1_024
IDLE_PER_ENDPOINT_MAX = 256
PARKED_REQUESTS_MAX = 1_000  # per app
UNPARKED_PER_TURN = 64  # 5 ms of the loop's time
CLIENT_CONNECTIONS_MAX = 20_000
ACCESS_LOG_QUEUE_MAX = 50_000  # lines that wait for the disk: about 25 MiB
ACCESS_LOG_FLUSH_S = 1.0
DESCRIPTORS_KEPT_MIN = 64  # that clients do not get: for connections to stacks, the journal and the engine
DESCRIPTORS_KEPT_SHARE = 8  # or so much of all, if that is more: one in eight
ACCEPT_PAUSE_S = 1.0  # out of descriptors; then we look again
ACCEPT_WARNING_S = 60.0  # one line in the log about that in this time
MIRROR_REQUEST_BYTES_MAX = 256 * 1024  # of one copy, that its shadow has not taken; then the copy is given up
MIRROR_STACK_BYTES_MAX = 32 * 1024 * 1024  # of all copies of a stack together
MIRROR_CONNECTIONS_PER_ENDPOINT_MAX = 128  # copies at once: more says nothing that these do not

# --- The data plane: health --------------------------------------------------------------------------------------
PROBE_INTERVAL_S = 5.0
PROBE_TIMEOUT_S = 2.0
PROBES_UNHEALTHY = 3  # judge.md 7: a health check that failed three times in a row
PROBES_HEALTHY = 2
EJECT_AFTER_FAILURES = 5
EJECT_FOR_S = 30.0
EJECT_SHARE_MAX_BP = 5_000
EJECTION_FACTOR_MAX = 10  # an endpoint that relapses sits out longer and longer, up to so many times as long

# --- Weights -----------------------------------------------------------------------------------------------------
WEIGHT_TOTAL = 10_000  # basis points: the smallest step is 0.01 %

# --- Figures -----------------------------------------------------------------------------------------------------
LATENCY_US_MIN = 1
LATENCY_US_MAX = 60_000_000
LATENCY_DIGITS = 3
ERROR_DEDUP_S = 10.0  # one error per client and class in this time counts for the judge (judge.md 1)
ERROR_CLIENTS_MAX = 10_000  # remembered clients; beyond it the oldest is forgotten
PAIR_LATENCIES_MAX = 500  # per interval, for the judge and the journal; 150 pairs show +10 % (judge.md 11)
WINDOWS_KEPT_MAX = 1_800  # half an hour of one-second windows per stack, for calibration and design effects

# --- Rollouts ----------------------------------------------------------------------------------------------------
EVENT_SUBSCRIBERS_MAX = 64
EVENT_QUEUE_MAX = 1_000  # a slow reader of the live view loses its connection, never the controller's time
JOURNAL_EVENT_BYTES_MAX = 1024 * 1024
STEPS_MAX = 100
SECRET_VALUES_MAX = 1_000  # of variables that secrets hold, remembered while the daemon runs

# --- Templates ---------------------------------------------------------------------------------------------------
TEMPLATE_BYTES_MAX = 2 * 1024 * 1024
TEMPLATE_NODES_MAX = 100_000  # of all files, with aliases and bases written out: a "billion laughs" file ends here
TEMPLATE_TEXT_MAX = 16 * 1024 * 1024  # characters of all values once variables are replaced: they multiply as well
TEMPLATE_DEPTH_MAX = 64  # Compose needs eight; recursion over a file stays far below Python's own bound
TEMPLATE_FILES_MAX = 64
SERVICES_MAX = 1_000
REPLICAS_MAX = 1_000  # of one service, each a container
PORTS_MAX = 65_535  # of one service: ranges are written out
DOTENV_PROBLEMS_MAX = 100  # told of one file of variables; a file that is none at all has no end of them
INTERPOLATION_DEPTH_MAX = 32
EXTENDS_DEPTH_MAX = 32
INCLUDE_DEPTH_MAX = 16
COMPOSE_CLI_TIMEOUT_S = 60.0  # for `docker compose config`: it reads files, and the largest take it seconds

# --- Admin -------------------------------------------------------------------------------------------------------
ADMIN_BODY_BYTES_MAX = 1024 * 1024
ALERT_TIMEOUT_S = 10.0
ALERT_ATTEMPTS_MAX = 5
ALERT_QUEUE_MAX = 1_000

assert FIELD_BYTES_MAX < HEAD_BYTES_MAX
assert TARGET_BYTES_MAX < HEAD_BYTES_MAX
assert 10**CONTENT_LENGTH_DIGITS_MAX < 2**63
assert 16**CHUNK_SIZE_DIGITS_MAX < 2**63
assert IDLE_PER_ENDPOINT_MAX <= CONNECTIONS_PER_ENDPOINT_MAX
assert TUNNEL_JITTER_S + TUNNEL_CLOSE_TIMEOUT_S + TUNNEL_FAREWELL_SPARE_S < DRAIN_TUNNELS_TIMEOUT_S
assert UPSTREAM_IDLE_TIMEOUT_S < KEEP_ALIVE_TIMEOUT_S
assert MIRROR_REQUEST_BYTES_MAX <= MIRROR_STACK_BYTES_MAX
