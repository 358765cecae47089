"""What earlier versions answered and wrote, kept for ever: later versions must agree with it."""
