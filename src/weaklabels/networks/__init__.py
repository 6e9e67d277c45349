"""What single methods add to a network: heads, branches and fusions, one file each."""
