"""What every request passes before any API sees it: its address, its Host, and the limits on its body."""
