//! The least that a notification can take on this machine: something that takes a change, has the disk keep it, and tells
//! the listener, as a broker does, and does nothing else. How long processors need to wake up, and a disk to answer, is in
//! it, and differs from machine to machine.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::notify::whole_request;

/// The file's length from the start, in bytes, as a broker's journal has it: an `fdatasync` is cheaper so.
const LENGTH: u64 = 16 * 1024 * 1024;

/// Takes changes on one connection, one at a time, until the client closes it. Gives its address.
pub(super) fn start(folder: &Path, listener: &str) -> io::Result<String> {
    let file = File::create(folder.join("bare"))?;
    file.set_len(LENGTH)?;
    let door = TcpListener::bind("127.0.0.1:0")?;
    let address = door.local_addr()?.to_string();
    let told = TcpStream::connect(listener)?;
    told.set_nodelay(true)?;
    std::thread::spawn(move || {
        let Ok((client, _)) = door.accept() else { return };
        if let Err(error) = serve(client, &file, told) {
            eprintln!("  the bare relay ended: {error}");
        }
    });
    Ok(address)
}

fn serve(mut client: TcpStream, file: &File, mut told: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (mut read, mut answer, mut written) = (vec![0; 16 * 1024], [0; 1024], 0);
    let mut length = 0;
    loop {
        match client.read(&mut read[length..])? {
            0 => return Ok(()),
            more => length += more,
        }
        let Some(end) = whole_request(&read[..length]) else { continue };
        file.write_all_at(&read[..end], written % LENGTH)?;
        file.sync_data()?;
        written += end as u64;
        told.write_all(&read[..end])?;
        client.write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        // The listener's answer is short and comes whole.
        let _ = told.read(&mut answer)?;
        length = 0;
    }
}
