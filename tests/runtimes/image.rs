//! An image made of busybox alone, for there is no registry in a test.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::node::Node;
use super::require;

/// What Debian's busybox-static installs.
const BUSYBOX: &str = "/bin/busybox";
/// As the runtimes call the image.
pub const IMAGE: &str = "docker.io/mesh/box:latest";

/// The root of the image as a tar, in the node's folder.
pub fn root(node: &Node) -> String {
    require(&[BUSYBOX]);
    let folder = node.path("root");
    for name in ["bin", "etc", "tmp", "proc", "sys", "dev", "run"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    std::fs::copy(BUSYBOX, folder.join("bin/busybox")).unwrap();
    for applet in ["sh", "nc", "sleep"] {
        symlink("busybox", folder.join("bin").join(applet)).unwrap();
    }
    let (folder, tar) = (folder.to_str().unwrap().to_owned(), node.name("root.tar"));
    node.text(&["tar", "--create", "--file", &tar, "--directory", &folder, "--owner=0", "--group=0", "."]);
    tar
}

/// The whole image as `docker save` writes it, in the node's folder.
pub fn archive(node: &Node) -> String {
    root(node);
    let sum = node.text(&["sha256sum", &node.name("root.tar")]);
    let layer = format!("sha256:{}", sum.split(' ').next().unwrap());
    let architecture = node.text(&["dpkg", "--print-architecture"]);
    let image = json!({
        "architecture": architecture.trim(), "os": "linux", "config": {"Cmd": ["/bin/sleep", "3600"]},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    });
    let manifest = json!([{"Config": "image.json", "RepoTags": [IMAGE], "Layers": ["root.tar"]}]);
    std::fs::write(node.path("image.json"), image.to_string()).unwrap();
    std::fs::write(node.path("manifest.json"), manifest.to_string()).unwrap();
    let (folder, tar) = (node.name(""), node.name("image.tar"));
    let files = ["root.tar", "image.json", "manifest.json"];
    node.text(&[&["tar", "--create", "--file", &tar, "--directory", &folder], &files[..]].concat());
    tar
}
