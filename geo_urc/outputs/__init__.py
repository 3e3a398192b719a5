"""What people open: tables, map, report. Everything here reads results and decides nothing."""
