"""An HTTP server that says who it is and whom it serves, and a client; for the test with a real proxy.

    web.py serve NAME PORT   answers `NAME for CLIENT`, over both families
    web.py get URL...        prints `SERVER: BODY` for each, by the response's Server header, or the error
"""
import concurrent.futures
import http.client
import http.server
import socket
import socketserver
import sys
import threading
import urllib.parse

PATIENCE = 3  # seconds that a client waits: what is dropped is never answered


class Handler(http.server.BaseHTTPRequestHandler):
    server_version, sys_version = "direct", ""

    def do_GET(self):
        body = ("%s for %s" % (sys.argv[2], self.client_address[0])).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def __init__(self, family, address, port):
        self.address_family = family
        super().__init__((address, port), Handler)

    def server_bind(self):
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Not HTTPServer's own way, which asks a name server for this machine's name.
        socketserver.TCPServer.server_bind(self)


def serve(port):
    for server in [Server(socket.AF_INET, "0.0.0.0", port), Server(socket.AF_INET6, "::", port)]:
        threading.Thread(target=server.serve_forever).start()
    print("ready", flush=True)


def get(url):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=PATIENCE)
    try:
        connection.request("GET", parts.path + ("?" + parts.query if parts.query else ""))
        response = connection.getresponse()
        server = (response.getheader("Server") or "").strip()
        return "%s: %s" % (server, response.read().decode().strip().replace("\n", " "))
    except OSError as error:
        return "error: %s" % (error.strerror or error)
    finally:
        connection.close()


if sys.argv[1] == "serve":
    serve(int(sys.argv[3]))
else:
    with concurrent.futures.ThreadPoolExecutor() as clients:
        print("\n".join(clients.map(get, sys.argv[2:])))
