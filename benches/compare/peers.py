"""The caches of Debian in front of the origin, each as its operator would make it cheapest: one worker, no log, connections kept."""
import dataclasses
import hashlib
import pathlib
import shutil

from setup import BASIC, PASSWORD, USER, Setup

AUTHORIZED = ["--field", f"Authorization: {BASIC}"]
PROXY_AUTHORIZED = ["--absolute", "--field", f"Proxy-Authorization: {BASIC}"]
USUAL = ("plain", "large", "miss", "validate", "memory")


@dataclasses.dataclass(frozen=True)
class Peer:
    title: str
    program: str
    package: str
    flavours: tuple
    set_up: object


NGINX = """
worker_processes 1; daemon off; user root; pid {folder}/pid; error_log {folder}/error.log crit;
worker_rlimit_nofile 20000;
events {{ worker_connections 18000; }}
http {{
  access_log {log}; {send} tcp_nodelay on;
  keepalive_timeout 600s; keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=600s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache levels=1:2 keys_zone=bench:64m max_size=4g inactive=60m use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      {auth}
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache bench; proxy_cache_revalidate on; proxy_cache_lock {lock};
    }}
  }}
}}
"""


def nginx(server):
    folder, flavour = server.folder, server.flavour
    is_basic = flavour == "basic"
    # Small content costs it less through its buffers, large content less by sendfile.
    send = "sendfile on;" if flavour == "large" else "sendfile off; output_buffers 2 256k;"
    log = f"{folder}/access.log combined buffer=64k flush=1s" if flavour == "log" else "off"
    auth = f"auth_basic bench; auth_basic_user_file {folder}/users;" if is_basic else ""
    lock = "off" if flavour in ("miss", "validate") else "on"
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    text = NGINX.format(folder=folder, log=log, send=send, auth=auth, lock=lock, origin=server.origin.port, port=server.port)
    (folder / "nginx.conf").write_text(text)
    notes = {"basic": "plaintext", "large": "sendfile", "log": "buffered"}
    command = ["nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    return Setup(command, AUTHORIZED if is_basic else [], notes.get(flavour, ""))


HAPROXY = """
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  timeout http-keep-alive 10m
cache bench
  total-max-size 1024
  max-object-size 4000000
  max-age 3600
  process-vary on
{users}
frontend front
  bind 127.0.0.1:{port} backlog 4096
{auth}
  http-request cache-use bench
  http-response cache-store bench
  default_backend origin
backend origin
  server origin 127.0.0.1:{origin} pool-max-conn 512
"""


def haproxy(server):
    is_basic = server.flavour == "basic"
    users = f"userlist users\n  user {USER} insecure-password {PASSWORD}" if is_basic else ""
    auth = "  http-request auth unless { http_auth(users) }\n  http-request del-header authorization" if is_basic else ""
    text = HAPROXY.format(users=users, auth=auth, port=server.port, origin=server.origin.port)
    (server.folder / "haproxy.cfg").write_text(text)
    return Setup(["haproxy", "-db", "-f", server.folder / "haproxy.cfg"], AUTHORIZED if is_basic else [], "plaintext" if is_basic else "")


VARNISH = """
vcl 4.1;
backend origin {{ .host = "127.0.0.1"; .port = "{origin}"; .max_connections = 1000; }}
sub vcl_recv {{ {auth} }}
"""


def varnish(server):
    is_basic = server.flavour == "basic"
    auth = f'if (req.http.Authorization != "{BASIC}") {{ return (synth(401)); }} unset req.http.Authorization;'
    (server.folder / "bench.vcl").write_text(VARNISH.format(origin=server.origin.port, auth=auth if is_basic else ""))
    command = ["varnishd", "-F", "-j", "none", "-n", server.folder / "work", "-a", f"127.0.0.1:{server.port}", "-T", "none",
               "-f", server.folder / "bench.vcl", "-s", "malloc,2g", "-i", "bench",
               "-p", "thread_pools=1", "-p", "thread_pool_min=200", "-p", "thread_pool_max=1000"]
    return Setup(command, AUTHORIZED if is_basic else [], "one literal" if is_basic else "")


SQUID = """
http_port 127.0.0.1:{port}
visible_hostname bench
cache_mem 2048 MB
maximum_object_size_in_memory 16 MB
maximum_object_size 16 MB
memory_cache_shared off
collapsed_forwarding {collapsed}
access_log none
cache_store_log none
cache_log {folder}/cache.log
pid_filename none
coredump_dir {folder}
netdb_filename none
pinger_enable off
max_filedescriptors 18000
shutdown_lifetime 0 seconds
{auth}
http_access deny all
"""
SQUID_BASIC = """auth_param basic program /usr/lib/squid/basic_ncsa_auth {folder}/users
auth_param basic children 2
auth_param basic credentialsttl 2 hours
acl known proxy_auth REQUIRED
http_access allow known"""
SQUID_DIGEST = """auth_param digest program /usr/lib/squid/digest_file_auth -c {folder}/users
auth_param digest children 2
auth_param digest realm bench
auth_param digest nonce_max_duration 8 hours
auth_param digest nonce_max_count 2000000000
acl known proxy_auth REQUIRED
http_access allow known"""


def squid(server):
    folder, flavour = server.folder, server.flavour
    auth, load, note = {
        "basic": (SQUID_BASIC, PROXY_AUTHORIZED, "apr1, remembered"),
        "digest": (SQUID_DIGEST, ["--absolute", "--digest", f"{USER}:{PASSWORD}"], "MD5"),
    }.get(flavour, ("http_access allow all", ["--absolute"], ""))
    if flavour == "digest":
        a1 = hashlib.md5(f"{USER}:bench:{PASSWORD}".encode()).hexdigest()
        (folder / "users").write_text(f"{USER}:bench:{a1}\n")
    else:
        # alice-secret in the form that htpasswd writes unless told otherwise.
        (folder / "users").write_text(f"{USER}:$apr1$vouchsaf$2XhDKYgF/dj1SBhyI5s8U0\n")
    collapsed = "off" if flavour in ("miss", "validate") else "on"
    text = SQUID.format(port=server.port, folder=folder, collapsed=collapsed, auth=auth.format(folder=folder))
    (folder / "squid.conf").write_text(text)
    # The name of its shared memory is made of this one.
    return Setup(["squid", "-n", f"bench{server.port}", "-N", "-f", folder / "squid.conf"], load, note)


TRAFFIC_SERVER = {
    "admin.user_id": "STRING #-1", "accept_threads": "INT 0", "cache.ram_cache.size": "INT 2147483648", "cache.ram_cache_cutoff": "INT 16777216",
    "cache.enable_read_while_writer": "INT 1", "cache.threads_per_disk": "INT 2", "exec_thread.autoconfig": "INT 0",
    "exec_thread.limit": "INT 1", "http.cache.http": "INT 1", "http.cache.required_headers": "INT 2",
    "http.keep_alive_no_activity_timeout_in": "INT 600", "http.server_session_sharing.pool": "STRING thread",
    "log.logging_enabled": "INT 0", "net.connections_throttle": "INT 8000", "task_threads": "INT 1", "url_remap.remap_required": "INT 1",
}


def traffic_server(server):
    folder = server.folder
    shutil.copytree("/etc/trafficserver", folder / "etc")
    for name in ("cache", "log", "run"):
        (folder / name).mkdir()
    places = {
        "prefix": folder, "exec_prefix": "/usr", "bindir": "/usr/bin", "sbindir": "/usr/sbin", "sysconfdir": folder / "etc",
        "datadir": folder / "cache", "includedir": "/usr/include", "libdir": "/usr/lib/trafficserver",
        "libexecdir": "/usr/lib/trafficserver/modules", "localstatedir": folder, "runtimedir": folder / "run", "logdir": folder / "log",
        "mandir": "/usr/share/man", "infodir": "/usr/share/info", "cachedir": folder / "cache",
    }
    (folder / "runroot.yaml").write_text("".join(f"{key}: {place}\n" for key, place in places.items()))
    records = {"http.server_ports": f"STRING {server.port}:ip-in=127.0.0.1", **TRAFFIC_SERVER}
    written = {
        "storage.config": f"{folder / 'cache'} 1G\n", "remap.config": f"map / http://127.0.0.1:{server.origin.port}/\n", "plugin.config": "",
        "records.config": "".join(f"CONFIG proxy.config.{key} {value}\n" for key, value in records.items()),
    }
    for name, text in written.items():
        pathlib.Path(folder / "etc" / name).write_text(text)
    return Setup(["traffic_server", f"--run-root={folder / 'runroot.yaml'}"])


PEERS = {
    "nginx": Peer("nginx", "nginx", "nginx-light", (*USUAL, "basic", "log", "idle"), nginx),
    "haproxy": Peer("HAProxy", "haproxy", "haproxy", ("plain", "large", "miss", "validate", "basic"), haproxy),
    "varnish": Peer("Varnish", "varnishd", "varnish", (*USUAL, "basic"), varnish),
    "squid": Peer("Squid", "squid", "squid", (*USUAL, "basic", "digest", "tunnel"), squid),
    "trafficserver": Peer("Traffic Server", "traffic_server", "trafficserver", USUAL, traffic_server),
}
