"""What people and their scripts call. One file a resource: serializer and viewset."""
