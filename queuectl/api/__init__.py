"""What class Queue can do, a class a kind of use; queue.py makes one of them."""
