"""What the measuring scripts share: processes, servers and figures. Linux only (/proc)."""
