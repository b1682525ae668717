"""The demo: crash, switchover and failback of a pair under calls, told with times."""
