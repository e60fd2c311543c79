
import postroom.store.ids
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('store', '0010_bounces'),
    ]

    operations = [
        migrations.CreateModel(
            name='DkimKey',
            fields=[
                ('id', models.CharField(default=postroom.store.ids.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('domain', models.CharField(max_length=253)),
                ('selector', models.CharField(max_length=63)),
                ('algorithm', models.CharField(choices=[('rsa', 'Rsa'), ('ed25519', 'Ed25519')], max_length=8)),
                ('public_key', models.TextField()),
                ('sealed_key', models.TextField()),
                ('state', models.CharField(choices=[('new', 'New'), ('signing', 'Signing'), ('retired', 'Retired')], default='new', max_length=8)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('created_by', models.CharField(max_length=254)),
                ('published_at', models.DateTimeField(null=True)),
                ('state_since', models.DateTimeField()),
            ],
            options={
                'ordering': ('domain', 'created_at'),
                'constraints': [models.UniqueConstraint(fields=('domain', 'selector'), name='dkim_selector')],
            },
        ),
        migrations.CreateModel(
            name='Upload',
            fields=[
                ('id', models.CharField(default=postroom.store.ids.new_id, editable=False, max_length=26, primary_key=True, serialize=False)),
                ('scope', models.CharField(max_length=26)),
                ('digest', models.CharField(db_index=True, max_length=64)),
                ('encoded_bytes', models.BigIntegerField()),
                ('size_bytes', models.BigIntegerField()),
                ('media_type', models.CharField(blank=True, max_length=200)),
                ('created_at', models.DateTimeField()),
                ('used_at', models.DateTimeField(db_index=True)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('scope', 'digest', 'media_type'), name='upload_once')],
            },
        ),
    ]
