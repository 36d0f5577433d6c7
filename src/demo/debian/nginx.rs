//! Configuration of nginx: one page.

use super::super::HOST;
use super::DebianError;
use super::files::Folder;

/// Its configuration file.
pub(super) fn file(folder: &Folder) -> String {
    folder.text("nginx/nginx.conf")
}

/// Writes configuration and page.
pub(super) fn write(folder: &Folder, port: u16) -> Result<(), DebianError> {
    for name in ["nginx", "nginx/page"] {
        folder.folder(name, 0o755)?;
    }
    let own = folder.text("nginx");
    let text = format!(
        "daemon off;\nuser www-data;\nworker_processes 1;\npid {own}/nginx.pid;\nerror_log stderr;\n\
         events {{\n  worker_connections 64;\n}}\n\
         http {{\n  access_log off;\n  default_type text/html;\n  client_body_temp_path {own}/body;\n\
         \x20 proxy_temp_path {own}/proxy;\n  fastcgi_temp_path {own}/fastcgi;\n  uwsgi_temp_path {own}/uwsgi;\n\
         \x20 scgi_temp_path {own}/scgi;\n\
         \x20 server {{\n    listen 127.0.0.1:{port};\n    server_name {HOST};\n    root {own}/page;\n  }}\n}}\n"
    );
    folder.file("nginx/nginx.conf", 0o644, &text)?;
    let page = format!("<!doctype html><html lang=\"en\"><title>{HOST}</title><h1>{HOST}</h1></html>\n");
    folder.file("nginx/page/index.html", 0o644, &page)
}
